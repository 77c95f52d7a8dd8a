import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readResults } from "../../../bench/results.js";
import { results } from "./sample.js";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "kmemfs-unit-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

function written(content: unknown): string {
  const file = join(directory, "run.json");
  writeFileSync(file, JSON.stringify(content));
  return file;
}

describe("readResults", () => {
  it.each([1, 2])("reads version %d", (version) => {
    expect(readResults(written({ ...results, version }))).toEqual({ ...results, version });
  });
  it.each([[{ ...results, version: 3 }], [{ version: 2 }], [{}]])("refuses what is no such run: %#", (content) => {
    expect(() => readResults(written(content))).toThrow(/run\.json: not the results/);
  });
});
