import { describe, expect, it } from "vitest";
import { DERIVATIONS, measuredKey } from "../../../bench/derived.js";
import { keyOf } from "../../../bench/rows/row.js";
import { quickRows, selectRows, stages } from "../../../bench/stages.js";
import { targets } from "../../../bench/targets.js";

const keysOf = (chosen: typeof stages): string[] =>
  chosen.flatMap((stage) => stage.rows.map((row) => keyOf(stage, row)));

describe("the stages", () => {
  it("have unique keys of rows, and unique names of sides", () => {
    expect(new Set(keysOf(stages)).size).toBe(keysOf(stages).length);
    for (const { sides } of stages) expect(new Set(sides.map((side) => side.name)).size).toBe(sides.length);
  });
  it.each(targets.map((target) => [target.row, target.peer ?? "alone", target] as const))(
    "have the row and the sides of the target %s, %s",
    (targetKey, _peer, target) => {
      const key = measuredKey(targetKey);
      const [, derivation] = targetKey.split(":");
      if (derivation !== undefined) expect(DERIVATIONS.map(({ name }) => name)).toContain(derivation);
      const stage = stages.find((one) => one.rows.some((row) => keyOf(one, row) === key));
      const row = stage?.rows.find((one) => keyOf(stage, one) === key);
      const names = stage?.sides.map((side) => side.name);
      expect(names).toContain(target.side);
      if (target.peer !== undefined) expect(names).toContain(target.peer);
      if (target.peer !== undefined) expect(row?.isOursAlone ?? false).toBe(false);
    },
  );
});

describe("selectRows", () => {
  it("keeps all without words", () => {
    expect(keysOf(selectRows(stages, []))).toEqual(keysOf(stages));
  });
  it("keeps the rows with a word in their key, and their stages only", () => {
    expect(keysOf(selectRows(stages, ["mkfs", "format-mount", "file/resident"]))).toEqual([
      "file/resident",
      "loop/mkfs-ext4",
      "pool/format-mount-1t",
    ]);
  });
  it("takes the key of a derived row for the row it is derived of", () => {
    expect(keysOf(selectRows(stages, ["file/randread-4k-qd1:p50"]))).toEqual(["file/randread-4k-qd1"]);
  });
  it("refuses a word of no row, and names the rows", () => {
    expect(() => selectRows(stages, ["speed"])).toThrow(/no row is called speed; .*loop\/discard/);
  });
});

describe("quickRows", () => {
  it("has some of every stage", () => {
    expect(quickRows(stages).map((stage) => stage.name)).toEqual(stages.map((stage) => stage.name));
    expect(keysOf(quickRows(stages)).length).toBeLessThan(keysOf(stages).length * 0.7);
  });
});
