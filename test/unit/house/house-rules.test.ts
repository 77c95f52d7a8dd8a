import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { projectRoot } from "../../support/project.js";
import {
  barrels,
  exportedTwice,
  houseRules,
  MAX_FILE_LINES,
  MAX_FUNCTION_LINES,
  type Source,
  violationsOf,
} from "./houseRules.js";

function sourcesOfTheProgram(): Source[] {
  return readdirSync(join(projectRoot, "src"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => ({ path: `src/${name}`, text: readFileSync(join(projectRoot, "src", name), "utf8") }));
}

describe("the house rules hold in src", () => {
  const sources = sourcesOfTheProgram();

  it("has sources to look at", () => {
    expect(sources.length).toBeGreaterThan(0);
  });

  it("no name is exported twice, and no module hands on what others export", () => {
    expect(exportedTwice(sources)).toEqual([]);
    expect(barrels(sources)).toEqual([]);
  });

  it.each(houseRules.map((rule) => [rule.name, rule] as const))("%s", (_name, rule) => {
    const kept = sources.filter((source) => rule.appliesTo(source.path));
    expect(kept.flatMap((source) => rule.violations(source))).toEqual([]);
  });
});

it("names that are exported twice are seen, whatever they are", () => {
  const texts = [
    "export const one = 1, two = 2; const three = 3; export function six(): 1; export function six() {}",
    "export function two() {} export class four {} export type five = 1;",
    "export interface five {} const one = 1; function three() {}",
    'export { one } from "./a.js"; export * from "./b.js";',
  ];
  const sources = texts.map((text, i) => ({ path: `src/${i}.ts`, text }));
  expect(exportedTwice(sources)).toEqual(["two: src/0.ts, src/1.ts", "five: src/1.ts, src/2.ts"]);
  expect(barrels(sources).length).toBe(2);
});

/** A function of `lineCount` lines. */
function functionOf(lineCount: number): string {
  return `function long() {\n${"  step();\n".repeat(lineCount - 2)}}\n`;
}

describe("the house rules see what breaks them", () => {
  const planted: readonly (readonly [string, string, string])[] = [
    ["a long function", "src/daemon/x.ts", functionOf(MAX_FUNCTION_LINES + 1)],
    [
      "a long method",
      "src/cli/x.ts",
      `class A {\n  run() {\n${"    step();\n".repeat(MAX_FUNCTION_LINES - 1)}  }\n}\n`,
    ],
    ["a long arrow function", "src/linux/x.ts", `const a = () => {\n${"  b();\n".repeat(MAX_FUNCTION_LINES - 1)}};\n`],
    ["a long file", "src/base/x.ts", "const a = 1;\n".repeat(MAX_FILE_LINES + 1)],
    ["console in the daemon", "src/daemon/x.ts", 'console.log("x");'],
    ["console in linux", "src/linux/x.ts", "const print = console.error;"],
    ["a command that unmounts", "src/disk/x.ts", 'await run("umount", ["-l", path]);'],
    ["a command that trims", "src/cli/x.ts", 'await runOk(what, "fstrim", ["-v", path]);'],
    ["a command that detaches", "src/daemon/x.ts", 'spawnSync("losetup", ["-d", device]);'],
    ["umount2 by a path", "src/daemon/x.ts", "umount2(path, 0);"],
    ["a trim of whatever is there", "src/linux/x.ts", "ioctl(fd, FITRIM, range);"],
    ["a way past the pool to its index", "src/blockfile/x.ts", "const page = this.pool.index.get(block);"],
    ["a BigInt literal", "src/pool/x.ts", "const a = 1n;"],
    ["a BigInt literal in the memory", "src/linux/memory/memory.ts", "const a = 0x10n;"],
    ["a call of BigInt", "src/fuse/x.ts", "const a = BigInt(1);"],
    ["the type bigint", "src/base/x.ts", "let a: bigint;"],
    ["an array of 64-bit integers", "src/pool/x.ts", "const a = new BigUint64Array(1);"],
    ["an access of 64 bits", "src/fuse/x.ts", "view.getBigUint64(0, true);"],
    ["async", "src/blockfile/x.ts", "const a = async () => 1;"],
    ["await", "src/pool/x.ts", "await ready;"],
    ["for await", "src/pool/x.ts", "for await (const a of b) c(a);"],
    ["a promise", "src/fuse/x.ts", "export type A = Promise<void>;"],
    ["Date.now", "src/pool/x.ts", "const a = Date.now();"],
    ["performance", "src/fuse/x.ts", "const a = performance.now();"],
    ["process", "src/base/x.ts", "const a = process.env;"],
    ["a timer", "src/blockfile/x.ts", "setTimeout(run, 1);"],
    ["chance", "src/pool/x.ts", "const a = Math.random();"],
  ];

  it.each(planted)("%s", (_what, path, text) => {
    expect(violationsOf({ path, text })).toHaveLength(1);
  });

  const allowed: readonly (readonly [string, string, string])[] = [
    ["a function of the full length", "src/daemon/x.ts", functionOf(MAX_FUNCTION_LINES)],
    ["a file of the full length", "src/base/x.ts", "const a = 1;\n".repeat(MAX_FILE_LINES)],
    ["console in cli", "src/cli/x.ts", 'console.log("x");'],
    ["BigInt in linux", "src/linux/proc/proc.ts", "const a = 1n;"],
    ["async in the daemon", "src/daemon/x.ts", "const a = async () => await Date.now();"],
    ["umount2 in its room", "src/linux/mount/mountHandle.ts", "umount2(path, MNT_EXPIRE);"],
    ["the name of an act", "src/daemon/x.ts", 'const a = { act: "sync" }; report("umount");'],
    ["words in comments and strings", "src/pool/x.ts", '// await process 1n\nconst a = "Date.now()";'],
    [
      "properties of those names",
      "src/fuse/x.ts",
      "const a = { process: 1 }; a.process; interface B { fetch(): void }",
    ],
  ];

  it.each(allowed)("and allow %s", (_what, path, text) => {
    expect(violationsOf({ path, text })).toEqual([]);
  });
});
