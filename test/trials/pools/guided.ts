/**
 * Guidance by coverage: an input that takes a branch that none took before, or
 * takes it another order of times, is kept, and new inputs are made of those
 * that are kept. Deterministic by its seed.
 */
import { Random } from "../../support/random.js";
import { MOST_INPUT_BYTES, mutate, randomInput } from "./generate.js";

/** Of the inputs one in so many is a fresh one. */
const FRESH = 0.02;
/** Of the picks, so many are of the inputs kept last. */
const NEWEST = 0.5;
const NEWEST_COUNT = 50;

export class Guide {
  private readonly random: Random;
  private readonly kept: Uint8Array[] = [];
  /** Bit b of a branch: it was taken 1, 2, 3, 4 to 7, 8 to 15, 16 to 31, 32 to 127, 128 or more times in one execution. */
  private readonly seen: Uint8Array;

  /** @param counts the counters, one a branch; they are cleared here */
  constructor(
    seed: number,
    private readonly counts: Uint32Array,
    private readonly branches: number,
  ) {
    this.random = new Random(seed);
    this.seen = new Uint8Array(branches);
  }

  get keptInputs(): number {
    return this.kept.length;
  }

  /** Branches that were ever taken. */
  get takenBranches(): number {
    return this.seen.reduce((sum, bits) => sum + (bits === 0 ? 0 : 1), 0);
  }

  /** Writes the next input into `buffer`. @returns its length */
  next(buffer: Uint8Array): number {
    const { random } = this;
    this.counts.fill(0, 0, this.branches);
    if (this.kept.length === 0 || random.chance(FRESH)) return randomInput(random, buffer);
    const parent = this.pick();
    buffer.set(parent);
    return mutate(random, buffer, Math.min(parent.length, MOST_INPUT_BYTES), this.pick());
  }

  /** After its execution: keeps it when it showed something new. */
  learn(input: Uint8Array): void {
    let isNew = false;
    for (let branch = 0; branch < this.branches; branch++) {
      const count = this.counts[branch] as number;
      if (count === 0) continue;
      const bit = count < 4 ? 1 << (count - 1) : count < 32 ? 8 << (29 - Math.clz32(count)) : count < 128 ? 64 : 128;
      if (((this.seen[branch] as number) & bit) !== 0) continue;
      this.seen[branch] = (this.seen[branch] as number) | bit;
      isNew = true;
    }
    if (isNew) this.kept.push(input.slice());
  }

  private pick(): Uint8Array {
    const { kept, random } = this;
    const from = random.chance(NEWEST) ? Math.max(0, kept.length - NEWEST_COUNT) : 0;
    return kept[from + random.below(kept.length - from)] as Uint8Array;
  }
}
