/** The arithmetic of the results. */
import type { Unit } from "./rows/row.js";

/** A median and the range around it. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** @throws RangeError when there are no values, or one is not a number */
export function spreadOf(values: readonly number[]): Spread {
  if (values.length === 0 || values.some(Number.isNaN)) throw new RangeError("a spread needs numbers");
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)]!;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1]!;
  return { median: (lower + upper) / 2, min: sorted[0]!, max: sorted.at(-1)! };
}

/** True for rates; of times, latencies and memory less is better. */
export function isMoreBetter(unit: Unit): boolean {
  return unit === "IOPS" || unit === "MiB/s" || unit === "1/s";
}

/** How many times as good `ours` is as `theirs`: 2 is twice the rate, or half of the time or memory. */
export function timesAsGood(ours: number, theirs: number, unit: Unit): number {
  return isMoreBetter(unit) ? ours / theirs : theirs / ours;
}

/**
 * How many times as good ours is, one figure a round: what slows the machine down for
 * a while slows both, so the ratios of a round hold better than those of medians.
 */
export function roundRatios(ours: readonly number[], theirs: readonly number[], unit: Unit): number[] {
  if (ours.length !== theirs.length) throw new RangeError("both sides have the same rounds");
  return ours.map((value, round) => timesAsGood(value, theirs[round]!, unit));
}

/** The spread of `roundRatios`. */
export function ratiosOf(ours: readonly number[], theirs: readonly number[], unit: Unit): Spread {
  return spreadOf(roundRatios(ours, theirs, unit));
}
