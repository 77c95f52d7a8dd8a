/**
 * A set of small integers, one bit each. Threads may share the words and call
 * any method at any time: a word changes in one atomic operation, so no bit is
 * lost, but a run that spans words is not atomic as a whole.
 */

export class BitSet {
  /** @param words one bit per number; threads that share the words share the set */
  constructor(private readonly words: Int32Array) {}

  static wordsFor(size: number): number {
    return Math.ceil(size / 32);
  }

  /** An empty set of numbers below `size`, for one thread. */
  static ofSize(size: number): BitSet {
    return new BitSet(new Int32Array(BitSet.wordsFor(size)));
  }

  has(bit: number): boolean {
    return ((Atomics.load(this.words, bit >>> 5) >>> (bit & 31)) & 1) === 1;
  }

  /** @returns false when it was already there */
  add(bit: number): boolean {
    const mask = 1 << (bit & 31);
    return (Atomics.or(this.words, bit >>> 5, mask) & mask) === 0;
  }

  /** @returns false when it was not there */
  delete(bit: number): boolean {
    const mask = 1 << (bit & 31);
    return (Atomics.and(this.words, bit >>> 5, ~mask) & mask) !== 0;
  }

  /** Adds at most `count` numbers from `bit` upward, up to the first that is already there. @returns how many */
  addRun(bit: number, count: number): number {
    let added = 0;
    while (added < count) {
      const at = bit + added;
      const inWord = Math.min(32 - (at & 31), count - added);
      const got = this.addInWord(at >>> 5, at & 31, inWord);
      added += got;
      if (got < inWord) break;
    }
    return added;
  }

  /** Adds `[bit, bit + count)`, whichever of them is already there. */
  addAll(bit: number, count: number): void {
    for (let done = 0; done < count; ) {
      const at = bit + done;
      const inWord = Math.min(32 - (at & 31), count - done);
      Atomics.or(this.words, at >>> 5, maskOf(at & 31, inWord));
      done += inWord;
    }
  }

  private addInWord(word: number, bit: number, most: number): number {
    if (most === 32 && Atomics.compareExchange(this.words, word, 0, -1) === 0) return 32;
    let old = Atomics.load(this.words, word);
    for (;;) {
      const run = Math.min(lowOnes(~old >>> bit), most);
      if (run === 0) return 0;
      const seen = Atomics.compareExchange(this.words, word, old, old | maskOf(bit, run));
      if (seen === old) return run;
      old = seen;
    }
  }

  /**
   * Deletes `[bit, bit + count)`. An empty word is not written: that would allocate its memory.
   * @returns false when one of them was not there
   */
  deleteRun(bit: number, count: number): boolean {
    let hadAll = true;
    for (let done = 0; done < count; ) {
      const at = bit + done;
      const inWord = Math.min(32 - (at & 31), count - done);
      const mask = maskOf(at & 31, inWord);
      const word = at >>> 5;
      if (Atomics.load(this.words, word) === 0 || (Atomics.and(this.words, word, ~mask) & mask) !== mask) {
        hadAll = false;
      }
      done += inWord;
    }
    return hadAll;
  }

  /** The lowest number in `[from, end)` that is in the set, or `end`. */
  next(from: number, end: number): number {
    return this.find(from, end, 0);
  }

  /** The lowest number in `[from, end)` that is not in the set, or `end`. */
  nextAbsent(from: number, end: number): number {
    return this.find(from, end, -1);
  }

  /** @param skipped 0 or -1: the value of a word that has nothing to find */
  private find(from: number, end: number, skipped: number): number {
    for (let bit = from; bit < end; bit = ((bit >>> 5) + 1) * 32) {
      const found = (Atomics.load(this.words, bit >>> 5) ^ skipped) >>> (bit & 31);
      if (found !== 0) return Math.min(end, bit + 31 - Math.clz32(found & -found));
    }
    return end;
  }
}

/** Number of 1 bits below the lowest 0 bit of a 32-bit value. */
function lowOnes(bits: number): number {
  const zeros = ~bits;
  return zeros === 0 ? 32 : 31 - Math.clz32(zeros & -zeros);
}

/** `count` 1 bits from `bit` upward; a shift by 32 is a shift by 0 in JavaScript, hence the case. */
function maskOf(bit: number, count: number): number {
  return count === 32 ? -1 : ((1 << count) - 1) << bit;
}
