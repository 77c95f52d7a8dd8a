import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ratiosOf, spreadOf } from "../../../bench/statistics.js";

const figures = fc.array(fc.double({ min: 1e-6, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 30 });

describe("spreadOf", () => {
  it.each([
    [[7], { median: 7, min: 7, max: 7 }],
    [[9, 1], { median: 5, min: 1, max: 9 }],
    [[100, 20, 3], { median: 20, min: 3, max: 100 }],
    [[10, 9, 2, 1], { median: 5.5, min: 1, max: 10 }],
  ])("%j", (values, expected) => {
    expect(spreadOf(values)).toEqual(expected);
  });
  it("leaves the values in their order", () => {
    const values = [3, 1, 2];
    spreadOf(values);
    expect(values).toEqual([3, 1, 2]);
  });
  it("has as many values on either side of the median", () => {
    fc.assert(
      fc.property(figures, (values) => {
        const { median, min, max } = spreadOf(values);
        const below = values.filter((value) => value < median).length;
        const above = values.filter((value) => value > median).length;
        return min <= median && median <= max && below <= values.length / 2 && above <= values.length / 2;
      }),
    );
  });
  it("refuses what has no median", () => {
    expect(() => spreadOf([])).toThrow(RangeError);
    expect(() => spreadOf([1, Number.NaN])).toThrow(RangeError);
  });
});

describe("ratiosOf", () => {
  it("pairs the rounds: a slow round of the machine changes nothing", () => {
    expect(ratiosOf([400, 40, 800], [100, 10, 200], "IOPS")).toEqual({ median: 4, min: 4, max: 4 });
  });
  it("turns times and memory around, so that more is better", () => {
    expect(ratiosOf([2], [1], "IOPS").median).toBe(2);
    expect(ratiosOf([2], [1], "s").median).toBe(0.5);
    expect(ratiosOf([2], [1], "bytes").median).toBe(0.5);
  });
  it("refuses sides with different rounds", () => {
    expect(() => ratiosOf([1, 2], [1], "s")).toThrow(RangeError);
  });
});
