/** The planted bugs of the trials can be planted, and one that cannot says why. */
import { describe, expect, it } from "vitest";
import { changedSource } from "../../support/planted.js";
import { plantedBugs } from "../../trials/plantedBugs/table.js";

describe("a bug can be planted", () => {
  it.each(plantedBugs.map((bug) => [bug.name, bug] as const))("%s", (_name, bug) => {
    expect(changedSource(bug).text.length).toBeGreaterThan(0);
  });
});

it("a function or call that is gone is named", () => {
  expect(() => changedSource({ in: "noSuchFunction", body: "" })).toThrow(
    /noSuchFunction: found 0 times \(noSuchFunction: nowhere\)/,
  );
  expect(() => changedSource({ in: "Pool.noSuchMethod", body: "" })).toThrow(/Pool\.noSuchMethod: found 0 times/);
  expect(() => changedSource({ in: "closePool", without: "pool.noSuchCall" })).toThrow(
    /closePool that calls pool.noSuchCall: found 0 times \(closePool: src\//,
  );
});

it("the function's body, or each of its calls, is replaced and nothing else", () => {
  const flush = changedSource({ in: "Reclaiming.flush", body: "return 0;" }).text;
  expect(flush).toContain("flush(): Errno { return 0; }");
  const close = changedSource({ in: "closePool", without: "writeState" }).text;
  expect(close).toMatch(/\n {2}0;\n}/);
  expect(close).toContain("writeState(parts.memory");
});
