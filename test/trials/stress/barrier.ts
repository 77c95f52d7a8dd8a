/** What the threads of a run share beside the pool: the time, and where all of them meet. */
const TIME = 0;
const ARRIVED = 1;
const ROUND = 2;
const ENDED = 3;

/** How long one sleeps before it looks whether another has given up. */
const LOOK_MS = 100;

export class Barrier {
  constructor(
    private readonly words: Int32Array,
    private readonly threads: number,
  ) {}

  static allocate(): Int32Array<SharedArrayBuffer> {
    return new Int32Array(new SharedArrayBuffer(16));
  }

  /** The next moment: no two are the same, and all threads see them in one order. */
  tick(): number {
    return Atomics.add(this.words, TIME, 1);
  }

  /** While nobody counts. */
  resetTime(): void {
    Atomics.store(this.words, TIME, 0);
  }

  /** How often all have met. */
  get meetings(): number {
    return Atomics.load(this.words, ROUND);
  }

  /** Nobody waits any more. */
  giveUp(): void {
    Atomics.store(this.words, ENDED, 1);
  }

  /** Waits for all threads. @returns false when one has given up */
  meet(): boolean {
    const round = Atomics.load(this.words, ROUND);
    if (Atomics.add(this.words, ARRIVED, 1) + 1 === this.threads) {
      Atomics.store(this.words, ARRIVED, 0);
      Atomics.add(this.words, ROUND, 1);
      Atomics.notify(this.words, ROUND);
    }
    while (Atomics.load(this.words, ROUND) === round) {
      if (Atomics.load(this.words, ENDED) !== 0) return false;
      Atomics.wait(this.words, ROUND, round, LOOK_MS);
    }
    return Atomics.load(this.words, ENDED) === 0;
  }
}
