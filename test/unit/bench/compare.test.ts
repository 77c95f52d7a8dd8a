import { describe, expect, it } from "vitest";
import { changesBetween, comparisonLines } from "../../../bench/compare.js";
import type { Results, RowResult } from "../../../bench/results.js";
import { loopStage, results } from "./sample.js";

/** The sample's discard row alone, our samples and the peer's as given. */
function runWith(ours: number[], theirs: number[], unit: RowResult["unit"] = "s"): Results {
  const samples = (values: number[]) => values.map((value) => ({ value }));
  const row = { ...loopStage.rows[0]!, unit, samples: { "kmemfs-served": samples(ours), loop: samples(theirs) } };
  return { ...results, stages: [{ ...loopStage, rows: [row] }] };
}

const before = runWith([1, 1.1, 1.2], [2, 2, 2]);
const changeTo = (...ours: number[]) => changesBetween(before, runWith(ours, [1, 1, 1]))[0];

describe("changesBetween", () => {
  it("takes half of the time as twice as good", () => {
    const change = changeTo(0.5, 0.55, 0.6);
    expect(change?.ratio.median).toBeCloseTo(2);
    expect(change?.ratio.min).toBeCloseTo(1 / 0.6);
    expect(change?.ratio.max).toBeCloseTo(1.2 / 0.5);
    expect(change?.verdict).toBe("better");
  });
  it("tells what has become of the peers", () => {
    expect(changeTo(1, 1, 1)?.peers).toBe(2);
  });
  it.each([
    ["worse when it is slower in every round", [1.5, 1.5, 1.6], "worse"],
    ["the same when the ranges meet", [1.15, 1.6, 1.7], "same"],
    ["better when it is faster in every round", [0.9, 0.9, 0.99], "better"],
    ["the same when the medians are near", [1.05, 1.1, 1.1], "same"],
  ])("is %s", (_what, ours, verdict) => {
    expect(changeTo(...ours)?.verdict).toBe(verdict);
  });
  it("leaves out small changes, however steady", () => {
    const steady = (value: number) => runWith([value, value], [1, 1]);
    expect(changesBetween(steady(1), steady(1.03))[0]?.verdict).toBe("same");
  });
  it("takes more of a rate as better", () => {
    const change = changesBetween(runWith([100], [1], "IOPS"), runWith([150], [1], "IOPS"))[0];
    expect(change).toMatchObject({ ratio: { median: 1.5 }, verdict: "better" });
  });
  it("leaves out what only one run has, or has in another unit", () => {
    expect(changesBetween({ ...before, stages: [] }, before)).toEqual([]);
    expect(changesBetween(before, runWith([1], [1], "IOPS"))).toEqual([]);
  });
});

describe("comparisonLines", () => {
  it("has a line for each row and side, derived ones too, and counts", () => {
    const lines = comparisonLines(results, results);
    expect(lines.filter((line) => line.includes("kmemfs-served")).map((line) => line.split(" ")[0])).toEqual([
      "file/randread-4k-j8",
      "file/randread-4k-j8:p999",
      "file/resident",
      "loop/discard",
    ]);
    expect(lines.join("\n")).toContain("0 better and 0 worse");
    expect(lines.join("\n")).not.toContain("differ");
  });
  it("says when the machines or the loads differ", () => {
    const other = { ...results, runtimeMs: 1, machine: { ...results.machine, kernel: "Linux 6.1" } };
    const text = comparisonLines(results, other).join("\n");
    expect(text).toContain("The machines or kernels differ.");
    expect(text).toContain("the loads' times differ");
  });
});
