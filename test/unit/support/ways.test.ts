import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { projectRoot } from "../../support/project.js";
import { kernelLanes, namesInTurns, type Way } from "../../support/ways.js";

const directory = join(projectRoot, "test/kernel");
const names = readdirSync(directory)
  .filter((name) => name.endsWith(".test.ts"))
  .map((name) => name.replace(/\.test\.ts$/, ""));
const matches = (pattern: string, name: string): boolean =>
  pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
const lanesOf = (name: string, long: boolean): string[] =>
  Object.entries(kernelLanes(long)).flatMap(([lane, { include, exclude }]) =>
    include.some((one) => matches(one, name)) && !exclude.some((one) => matches(one, name)) ? [lane] : [],
  );
const waysOf = (name: string, long: boolean): Way[] => lanesOf(name, long).map((lane) => kernelLanes(long)[lane].way);

it("every kernel test file runs, and in each mode once at most", () => {
  for (const long of [false, true]) {
    for (const name of names) {
      const ways = waysOf(name, long);
      expect([name, ways.length > 0, new Set(ways).size]).toEqual([name, true, ways.length]);
    }
  }
});

it("scripts/test.js runs all lanes", () => {
  const script = readFileSync(join(projectRoot, "scripts/test.js"), "utf8");
  const [, list = ""] = /LANES = \[(.*)\]/.exec(script) ?? [];
  expect(list.split(", ").map((lane) => `kernel-${JSON.parse(lane)}`)).toEqual(Object.keys(kernelLanes()));
});

it("a name in the lists is a file that is there, and in one list only", () => {
  expect(namesInTurns.filter((name) => !names.includes(name))).toEqual([]);
  expect(new Set(namesInTurns).size).toBe(namesInTurns.length);
});

const changing = names.filter((name) =>
  /installHelper|nr_hugepages/.test(readFileSync(join(directory, `${name}.test.ts`), "utf8")),
);

it("in the long form all run in both modes but those that name theirs or change the whole machine", () => {
  const once = names.filter((name) => waysOf(name, true).length < 2 && !changing.includes(name));
  expect(once.filter((name) => !/^(direct-.*|doctor|recover|rehome)$/.test(name))).toEqual([]);
});

it("those that change the whole machine run in one lane", () => {
  expect(changing.length).toBeGreaterThan(0);
  for (const long of [false, true]) {
    expect(new Set(changing.flatMap((name) => lanesOf(name, long))).size).toBe(1);
  }
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
