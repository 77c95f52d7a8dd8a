import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { projectRoot } from "../../support/project.js";
import { excludedFrom, namesInTurns } from "../../support/ways.js";

const directory = join(projectRoot, "test/kernel");
const names = readdirSync(directory)
  .filter((name) => name.endsWith(".test.ts"))
  .map((name) => name.replace(/\.test\.ts$/, ""));
const matches = (pattern: string, name: string): boolean =>
  pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
const runs = (name: string, way: "served" | "direct", long: boolean): boolean =>
  !excludedFrom(way, long).some((pattern) => matches(pattern, name));

it("every kernel test file runs in one way at least, in the short form as in the long one", () => {
  for (const long of [false, true]) {
    expect(names.filter((name) => !runs(name, "served", long) && !runs(name, "direct", long))).toEqual([]);
  }
});

it("a name in the lists is a file that is there, and in one list only", () => {
  expect(namesInTurns.filter((name) => !names.includes(name))).toEqual([]);
  expect(new Set(namesInTurns).size).toBe(namesInTurns.length);
});

it("in the long form all run in both ways but those that name theirs", () => {
  const once = names.filter((name) => !(runs(name, "served", true) && runs(name, "direct", true)));
  expect(once.filter((name) => !/^(direct-.*|doctor|recover|rehome)$/.test(name))).toEqual([]);
});

it("those that change the whole machine run in one lane, the served", () => {
  const changing = names.filter((name) =>
    /installHelper|nr_hugepages/.test(readFileSync(join(directory, `${name}.test.ts`), "utf8")),
  );
  expect(changing.length).toBeGreaterThan(0);
  expect(changing.filter((name) => runs(name, "direct", false))).toEqual([]);
});

it("docs/testing.md lists what is left to the long form", () => {
  const page = readFileSync(join(projectRoot, "docs/testing.md"), "utf8");
  const texts = names.map((name) => [name, readFileSync(join(directory, `${name}.test.ts`), "utf8")] as const);
  const partly = texts.filter(([, text]) => /someOf\(|isLongForm/.test(text)).map(([name]) => name);
  expect(partly.filter((name) => !page.split("Only in the long form")[1]?.includes(`\`${name}\``))).toEqual([]);
  const whole = texts.flatMap(([name, text]) =>
    [...text.matchAll(/longIt\(\s*["`](.*?)["`],/g)].map(([, words]) => `- \`${name}\`: ${words}\n`),
  );
  expect(whole.length).toBeGreaterThan(0);
  expect(whole.filter((line) => !page.includes(line))).toEqual([]);
});
