import { expect, it } from "vitest";
import { rehomeLines } from "../../../src/cli/rehome.js";

const done = { wasDirect: false, moved: 12, away: 0, homeless: 0, thin: false };

it.each([
  [done, ["/p: 12 blocks were moved, all are on their home pages"]],
  [{ ...done, moved: 1 }, ["/p: 1 block was moved, all are on their home pages"]],
  [{ ...done, moved: 0 }, ["/p: no block was moved, all are on their home pages"]],
  [{ ...done, moved: 0, wasDirect: true }, ["/p: was last used in direct mode, so all blocks are on their home pages"]],
  [
    { ...done, thin: true },
    [
      "/p: 12 blocks were moved, all are on their home pages",
      "the pool is thin and cannot be used in direct mode: its disk may outgrow it",
    ],
  ],
  [
    { ...done, away: 5, homeless: 3, thin: true },
    [
      "/p: 12 blocks were moved, 5 are not on their home pages",
      "3 blocks are beyond the size of the pool, with no home page; 2 wait for the pages that these occupy",
      "the pool is thin and cannot be used in direct mode: its disk may outgrow it",
    ],
  ],
])("says of %j what was done and what remains", (report, lines) => {
  expect(rehomeLines("/p", report)).toEqual(lines);
});
