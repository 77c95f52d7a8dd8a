import { expect, it } from "vitest";
import { rehomeLines } from "../../../src/cli/rehome.js";

const done = { wasDirect: false, moved: 12, away: 0, homeless: 0, thin: false };

it.each([
  [done, ["/p: 12 blocks are moved, all are at home"]],
  [{ ...done, moved: 1 }, ["/p: 1 block is moved, all are at home"]],
  [{ ...done, moved: 0 }, ["/p: no block was moved, all are at home"]],
  [{ ...done, moved: 0, wasDirect: true }, ["/p: was last used the direct way, so all blocks are at home"]],
  [
    { ...done, thin: true },
    [
      "/p: 12 blocks are moved, all are at home",
      "the pool is thin and cannot be used the direct way: its file may become larger than it",
    ],
  ],
  [
    { ...done, away: 5, homeless: 3, thin: true },
    [
      "/p: 12 blocks are moved, 5 are away from home",
      "3 blocks are beyond the pool's size and without a home; 2 wait for the pages that these hold",
      "the pool is thin and cannot be used the direct way: its file may become larger than it",
    ],
  ],
])("says of %j what was done and what remains", (report, lines) => {
  expect(rehomeLines("/p", report)).toEqual(lines);
});
