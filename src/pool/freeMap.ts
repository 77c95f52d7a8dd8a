/**
 * Which data pages are taken: one bit a page, 1 = taken, and one summary bit a
 * word, 1 = the word is full (a hint: it may lag, but never hides a free page
 * for good). Bit i is data page i, so block b's home page is bit b.
 * Lock-free; claims and frees of different threads never tear.
 */
import { assert } from "../base/assert.js";

export class FreeMap {
  private readonly wordCount: number;

  /** @param words one bit a page; `summary` one bit a word; both shared and zeroed at first */
  constructor(
    private readonly words: Int32Array,
    private readonly summary: Int32Array,
    readonly pages: number,
  ) {
    this.wordCount = Math.ceil(pages / 32);
    assert(words.length >= this.wordCount, "free map too short");
    assert(summary.length >= Math.ceil(this.wordCount / 32), "free map summary too short");
  }

  static wordsFor(pages: number): number {
    return Math.ceil(pages / 32);
  }

  static summaryWordsFor(pages: number): number {
    return Math.ceil(FreeMap.wordsFor(pages) / 32);
  }

  isTaken(page: number): boolean {
    return ((Atomics.load(this.words, page >>> 5) >>> (page & 31)) & 1) === 1;
  }

  /**
   * Claims free pages from `page` upward, without a gap, at most `most`.
   * @returns how many were claimed; 0 when `page` itself is taken or past the end
   */
  claimFrom(page: number, most: number): number {
    const wanted = Math.min(most, this.pages - page);
    let claimed = 0;
    while (claimed < wanted) {
      const at = page + claimed;
      const inWord = Math.min(32 - (at & 31), wanted - claimed);
      const got = this.claimInWord(at >>> 5, at & 31, inWord);
      claimed += got;
      if (got < inWord) break;
    }
    return Math.max(0, claimed);
  }

  /** Claims at most `most` pages of one word from `bit` upward, without a gap. */
  private claimInWord(word: number, bit: number, most: number): number {
    let old = Atomics.load(this.words, word);
    for (;;) {
      const run = Math.min(lowOnes(~old >>> bit), most);
      if (run === 0) return 0;
      const next = old | maskOf(bit, run);
      const seen = Atomics.compareExchange(this.words, word, old, next);
      if (seen === old) {
        if (next === -1) this.markFull(word);
        return run;
      }
      old = seen;
    }
  }

  /** Frees `[page, page + count)`. All of it must be taken. */
  free(page: number, count: number): void {
    for (let done = 0; done < count; ) {
      const at = page + done;
      const bit = at & 31;
      const inWord = Math.min(32 - bit, count - done);
      const mask = maskOf(bit, inWord);
      const old = Atomics.and(this.words, at >>> 5, ~mask);
      assert((old & mask) === mask, `page freed that was free already, data pages ${at} to ${at + inWord - 1}`);
      if (old === -1) Atomics.and(this.summary, at >>> 10, ~(1 << ((at >>> 5) & 31)));
      done += inWord;
    }
  }

  /** Marks one page as taken; false when it was taken already. */
  take(page: number): boolean {
    return this.claimFrom(page, 1) === 1;
  }

  /**
   * A page that was free at the time, at or after `hint` if there is one,
   * otherwise from the beginning; -1 when none was seen.
   */
  findFree(hint: number): number {
    const from = hint < this.pages ? hint : 0;
    const ahead = this.findInWords(from >>> 5, this.wordCount, true);
    if (ahead >= 0) return ahead;
    const behind = this.findInWords(0, (from >>> 5) + 1, true);
    // The summary may lag behind a page freed just now: look once without it.
    return behind >= 0 ? behind : this.findInWords(0, this.wordCount, false);
  }

  private findInWords(fromWord: number, endWord: number, useSummary: boolean): number {
    for (let word = fromWord; word < endWord; ) {
      if (useSummary) {
        const full = Atomics.load(this.summary, word >>> 5) >>> (word & 31);
        const skip = lowOnes(full);
        if (skip > 0) {
          word += skip;
          continue;
        }
      }
      const bits = Atomics.load(this.words, word);
      if (bits !== -1) {
        const page = word * 32 + lowOnes(bits);
        if (page < this.pages) return page;
      }
      word++;
    }
    return -1;
  }

  private markFull(word: number): void {
    const bit = 1 << (word & 31);
    Atomics.or(this.summary, word >>> 5, bit);
    // A page freed between the claim and the mark would stay hidden: look again.
    if (Atomics.load(this.words, word) !== -1) Atomics.and(this.summary, word >>> 5, ~bit);
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
