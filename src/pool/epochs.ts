/**
 * Epochs tell when no request can still use a page that was cleared from the
 * index. A thread enters before it reads an entry and leaves after its last use
 * of the page. A discard clears entries, then opens a new epoch e; once every
 * thread has left, or entered at e or later, no thread can use the page.
 *
 * Sound because the epochs, and the first load of each scan of entries, are
 * sequentially consistent: a thread that enters after the check reads the entry
 * after it was cleared.
 */
import { assert } from "../base/assert.js";

export const MAX_THREADS = 64;

/**
 * Words that one `Epochs` takes: the epoch and how many slots have ever had a thread, then a
 * slot for each thread, each on its own cache line.
 */
export const EPOCH_WORDS = 16 * (1 + MAX_THREADS);
const SLOTS = 1;

const OUTSIDE = 0;

export class Epochs {
  private readonly ownSlot: number;

  /** @param thread number of this thread, in [0, MAX_THREADS) */
  constructor(
    private readonly words: Int32Array,
    private readonly base: number,
    thread: number,
  ) {
    assert(thread >= 0 && thread < MAX_THREADS, `thread ${thread} has no slot`);
    this.ownSlot = base + 16 * (1 + thread);
    let slots = this.slots;
    while (slots <= thread) {
      Atomics.compareExchange(words, base + SLOTS, slots, thread + 1);
      slots = this.slots;
    }
  }

  private get slots(): number {
    return Atomics.load(this.words, this.base + SLOTS);
  }

  enter(): void {
    // The lowest bit is set so that the value is never OUTSIDE.
    Atomics.store(this.words, this.ownSlot, (Atomics.load(this.words, this.base) << 1) | 1);
  }

  leave(): void {
    Atomics.store(this.words, this.ownSlot, OUTSIDE);
  }

  /** The epoch that `advance` will open. Stable while the caller is the only one who may advance. */
  next(): number {
    return (Atomics.load(this.words, this.base) + 1) | 0;
  }

  advance(): void {
    Atomics.add(this.words, this.base, 1);
  }

  /** Marks all threads as outside. */
  forgetAll(): void {
    for (let thread = 0; thread < MAX_THREADS; thread++) {
      Atomics.store(this.words, this.base + 16 * (1 + thread), OUTSIDE);
    }
  }

  /** True when no other thread can still use what was cleared before `epoch` was opened. */
  hasPassed(epoch: number): boolean {
    // A thread that gets its slot after this enters after it, too.
    const { slots } = this;
    for (let thread = 0; thread < slots; thread++) {
      const slot = this.base + 16 * (1 + thread);
      if (slot === this.ownSlot) continue;
      const seen = Atomics.load(this.words, slot);
      // Distance modulo 2^31: right as long as a request does not span 2^30 discards.
      if (seen !== OUTSIDE && ((seen - ((epoch << 1) | 1)) | 0) < 0) return false;
    }
    return true;
  }
}
