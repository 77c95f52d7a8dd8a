import { describe, expect, it } from "vitest";
import { comparisonsOf, unmeasured } from "../../../bench/comparison.js";
import type { RowResult, StageResult } from "../../../bench/results.js";
import { meets, targets } from "../../../bench/targets.js";
import { fileStage, loopStage, results } from "./sample.js";

describe("comparisonsOf", () => {
  const [nbdfuse, qemu, tail, resident] = comparisonsOf(fileStage, "kmemfs-served");

  it("compares with each peer, round by round, and judges the median ratio", () => {
    expect(nbdfuse?.peer).toEqual({
      name: "nbdfuse",
      figure: { median: 20_000, min: 10_000, max: 40_000 },
      ratio: { median: 5, min: 3, max: 5 },
    });
    expect(nbdfuse?.target).toEqual({ limit: { is: "at least", value: 5 }, isMet: true });
    expect(qemu?.peer?.ratio.median).toBe(2.5);
    expect(qemu?.target?.isMet).toBe(false);
  });
  it("judges our own figure where no peer has one", () => {
    expect(resident?.peer).toBeUndefined();
    expect(resident?.target).toEqual({
      limit: { is: "at most", value: 150e6 + 64 * 1024 },
      isMet: true,
    });
  });
  it("takes a longer time as a lower ratio", () => {
    const [discard] = comparisonsOf(loopStage, "kmemfs-served");
    expect(discard?.peer?.ratio).toEqual({ median: 0.4, min: 0.1 / 0.3, max: 0.5 });
    expect(discard?.target).toEqual({ limit: { is: "at least", value: 0.95 }, isMet: false });
  });
  it("compares a derived row with the peer of its target alone", () => {
    expect(tail?.row.key).toBe("file/randread-4k-j8:p999");
    expect(tail?.peer?.name).toBe("qemu");
    expect(tail?.target).toEqual({ limit: { is: "above", value: 1 }, isMet: true });
  });
});

describe("a limit on every round", () => {
  const row = (...p50: number[]): RowResult => ({
    key: "file/randread-4k-qd1",
    title: "4 KiB random read, QD1",
    unit: "IOPS",
    busyBefore: 0,
    samples: { "kmemfs-served": p50.map((p50Us) => ({ value: 1, details: { p50Us } })) },
  });
  const isMet = (...p50: number[]) => {
    const stage: StageResult = { ...fileStage, rows: [row(...p50)] };
    return comparisonsOf(stage, "kmemfs-served").find(({ target }) => target?.limit.inEveryRound)?.target?.isMet;
  };

  it("is held against the worst one", () => {
    expect(isMet(10, 19, 12)).toBe(true);
    expect(isMet(10, 21, 12)).toBe(false);
  });
});

describe("unmeasured", () => {
  it("names the targets of sides and rows that are not there", () => {
    const open = unmeasured(results);
    expect(open).toHaveLength(targets.length - 5);
    expect(open.some(({ side }) => side === "kmemfs-direct")).toBe(true);
    expect(open.some(({ row, peer }) => row === "loop/discard" && peer === "loop-direct")).toBe(true);
    expect(open.some(({ row, side }) => row === "file/resident" && side === "kmemfs-served")).toBe(false);
  });
});

describe("meets", () => {
  it.each([
    ["at least", 4, true],
    ["at least", 3.999, false],
    ["at most", 4, true],
    ["at most", 4.001, false],
    ["below", 4, false],
    ["below", 3.999, true],
    ["above", 4, false],
    ["above", 4.001, true],
  ] as const)("%s 4: %d", (is, value, expected) => {
    expect(meets({ is, value: 4 }, value)).toBe(expected);
  });
});
