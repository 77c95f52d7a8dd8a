/** Random numbers from a seed, so that a failing run can be repeated: `KMEMFS_SEED=<seed> npx vitest run <file>`. */

/** The seed of this run: KMEMFS_SEED, or a new one. Put it into the test's name, which is printed. */
export function seedOfRun(): number {
  const given = process.env.KMEMFS_SEED;
  return given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given) >>> 0;
}

/** Mulberry32. */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed | 0;
  }

  /** In [0, 1). */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** An integer in [0, below). */
  below(below: number): number {
    return Math.floor(this.next() * below);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T;
  }
}
