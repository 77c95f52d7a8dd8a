/** What the documents say of the source is true of it. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { projectRoot } from "../../support/project.js";

const read = (path: string): string => readFileSync(join(projectRoot, path), "utf8");

it("every file that ARCHITECTURE names is there", () => {
  const named = [...read("docs/ARCHITECTURE.md").matchAll(/`((?:src|docs|test)\/[\w./-]*)`/g)].map(([, path]) => path);
  const isThere = (path: string): boolean =>
    existsSync(join(projectRoot, path)) || existsSync(join(projectRoot, `${path}.md`));
  expect(named.length).toBeGreaterThan(50);
  expect(named.filter((path) => !isThere(path) && !/docs\/decisions\/\d{4}$/.test(path))).toEqual([]);
});
