import { describe, expect, it } from "vitest";
import { keyOf } from "../../../bench/rows/row.js";
import { selectRows, stages } from "../../../bench/stages.js";
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
    (key, _peer, target) => {
      const stage = stages.find((one) => one.rows.some((row) => keyOf(one, row) === key));
      const row = stage?.rows.find((one) => keyOf(stage, one) === key);
      const names = stage?.sides.map((side) => side.name);
      expect(names).toContain(target.side);
      if (target.peer !== undefined) expect(names).toContain(target.peer);
      expect(row?.isOursAlone ?? false).toBe(target.peer === undefined);
    },
  );
});

describe("selectRows", () => {
  it("keeps all without words", () => {
    expect(keysOf(selectRows(stages, []))).toEqual(keysOf(stages));
  });
  it("keeps the rows with a word in their key, and their stages only", () => {
    expect(keysOf(selectRows(stages, ["discard", "pool/"]))).toEqual([
      "loop/discard",
      "pool/format-mount-1t",
      "pool/empty-memory-1t",
    ]);
  });
  it("refuses a word of no row, and names the rows", () => {
    expect(() => selectRows(stages, ["speed"])).toThrow(/no row is called speed; .*loop\/discard/);
  });
});
