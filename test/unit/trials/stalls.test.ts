/** The stall of a kill is the longest read that it can have held up. */
import { expect, it } from "vitest";
import { parseReads, stallsOf } from "../../trials/failover/stalls.js";
import { quantile } from "../../trials/failover/totals.js";

it("counts the read that was under way, and those up to the next kill", () => {
  const reads = parseReads("80.0 1.0\n95.5 200.0\n300.0 2.0\n310.0 30.0\n500.0 3.0\n");
  expect(stallsOf(reads, [100, 305])).toEqual([200, 30]);
});

it("has no stall where nobody read", () => {
  expect(stallsOf([], [100])).toEqual([0]);
});

it("takes quantiles from the values themselves", () => {
  expect([0.5, 0.9, 1].map((part) => quantile([5, 1, 4, 2, 3], part))).toEqual([3, 5, 5]);
  expect(quantile([], 0.5)).toBe(0);
});
