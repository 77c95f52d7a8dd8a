import { describe, expect, it } from "vitest";
import { comparisonsOf } from "../../../bench/comparison.js";
import { meets } from "../../../bench/targets.js";
import { fileStage, loopStage } from "./sample.js";

describe("comparisonsOf", () => {
  const [nbdfuse, qemu, resident] = comparisonsOf(fileStage, "kmemfs-served");

  it("compares with each peer, round by round, and judges the median ratio", () => {
    expect(nbdfuse?.peer).toEqual({
      name: "nbdfuse",
      figure: { median: 20_000, min: 10_000, max: 40_000 },
      ratio: { median: 5, min: 3, max: 5 },
    });
    expect(nbdfuse?.target).toEqual({ limit: { is: "at least", value: 4 }, isMet: true });
    expect(qemu?.peer?.ratio.median).toBe(2.5);
    expect(qemu?.target?.isMet).toBe(false);
  });
  it("judges our own figure where no peer has one", () => {
    expect(resident?.peer).toBeUndefined();
    expect(resident?.target).toEqual({ limit: { is: "below", value: 200e6 }, isMet: true });
  });
  it("takes a longer time as a higher ratio", () => {
    const [discard] = comparisonsOf(loopStage, "kmemfs-served");
    expect(discard?.peer?.ratio.median).toBe(2.5);
    expect(discard?.target).toEqual({ limit: { is: "at most", value: 2 }, isMet: false });
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
  ] as const)("%s 4: %d", (is, value, expected) => {
    expect(meets({ is, value: 4 }, value)).toBe(expected);
  });
});
