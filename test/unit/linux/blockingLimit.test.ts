/** What blocks a thread is freed by another one, in time or not at all. */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { withinLimit } from "../../../src/linux/process/blockingLimit.js";

let directory = "";
let fd = -1;
const text = (): string => readFileSync(join(directory, "abort"), "utf8");

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "kmemfs-limit-"));
  fd = openSync(join(directory, "abort"), "w");
});
afterEach(() => {
  closeSync(fd);
  rmSync(directory, { recursive: true });
});

it("frees what would block for ever", () => {
  const wait = new Int32Array(new SharedArrayBuffer(4));
  const blocks = (): string => {
    while (text() === "") Atomics.wait(wait, 0, 0, 5);
    return "freed";
  };
  expect(withinLimit(fd, 50, blocks)).toEqual({ result: "freed", inTime: false });
  expect(text()).toBe("1");
});

it("writes nothing where it ends in time, or throws", () => {
  expect(withinLimit(fd, 60_000, () => 7)).toEqual({ result: 7, inTime: true });
  const throws = (): never => {
    throw new Error("a bug");
  };
  expect(() => withinLimit(fd, 60_000, throws)).toThrow("a bug");
  expect(text()).toBe("");
});
