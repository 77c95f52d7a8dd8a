/**
 * Which data pages are taken: one bit per page, 1 = taken, and one summary bit
 * per word, 1 = the word is full (a hint: it may lag, but hides no free page
 * for good). Bit i is data page i, so block b's home page is bit b.
 * Lock-free; claims and frees of different threads never tear.
 */
import { assert } from "../base/assert.js";
import { BitSet } from "../base/bitset.js";

export class FreeMap {
  private readonly wordCount: number;
  private readonly taken: BitSet;
  private readonly full: BitSet;

  /** @param words one bit per page; `summary` one bit per word; both shared and initially zero */
  constructor(
    private readonly words: Int32Array,
    summary: Int32Array,
    readonly pages: number,
  ) {
    this.wordCount = BitSet.wordsFor(pages);
    assert(words.length >= this.wordCount, "free map too short");
    assert(summary.length >= BitSet.wordsFor(this.wordCount), "free map summary too short");
    this.taken = new BitSet(words);
    this.full = new BitSet(summary);
  }

  isTaken(page: number): boolean {
    return this.taken.has(page);
  }

  /** The first page in `[from, end)` that is free, or `end`. */
  nextFree(from: number, end: number): number {
    return this.taken.nextAbsent(from, end);
  }

  /** The first page in `[from, end)` that is taken, or `end`. */
  nextTaken(from: number, end: number): number {
    return this.taken.next(from, end);
  }

  /**
   * Claims at most `most` adjacent free pages from `page` upward.
   * @returns how many were claimed; 0 when `page` itself is taken or past the end
   */
  claimFrom(page: number, most: number): number {
    const claimed = this.taken.addRun(page, Math.min(most, this.pages - page));
    if (claimed === 0) return 0;
    const endWord = (page + claimed + 31) >>> 5;
    for (let word = page >>> 5; word < endWord; word++) {
      const first = word;
      // A plain load sees at least what this thread has claimed; what is freed meanwhile `markFull` sees.
      while (word < endWord && this.words[word] === -1) word++;
      if (word > first) this.markFull(first, word);
    }
    return claimed;
  }

  /** Frees `[page, page + count)`. All of it must be taken. */
  free(page: number, count: number): void {
    const allTaken = this.taken.deleteRun(page, count);
    assert(allTaken, `page freed that was free already, data pages ${page} to ${page + count - 1}`);
    const endWord = (page + count + 31) >>> 5;
    for (let word = page >>> 5; word < endWord; word++) if (this.full.has(word)) this.full.delete(word);
  }

  /**
   * A page that was free when looked at: the first at or after `hint`, otherwise
   * the first from the beginning; -1 for none.
   */
  findFree(hint: number): number {
    const from = hint < this.pages ? hint : 0;
    const ahead = this.findInWords(from >>> 5, this.wordCount);
    if (ahead >= 0) return ahead;
    const behind = this.findInWords(0, (from >>> 5) + 1);
    if (behind >= 0) return behind;
    // The summary may not show a page that was just freed: search once without it.
    const page = this.taken.nextAbsent(0, this.pages);
    return page < this.pages ? page : -1;
  }

  private findInWords(fromWord: number, endWord: number): number {
    for (let word = fromWord; ; word++) {
      word = this.full.nextAbsent(word, endWord);
      if (word === endWord) return -1;
      const end = Math.min(this.pages, 32 * (word + 1));
      const page = this.taken.nextAbsent(32 * word, end);
      if (page < end) return page;
    }
  }

  private markFull(first: number, end: number): void {
    this.full.addAll(first, end - first);
    // A page freed between the claim and the mark would stay hidden, so check again. No load is done before the first,
    // which is atomic (V8 calls a builtin for each), and that not before the mark.
    if (Atomics.load(this.words, first) !== -1) this.full.delete(first);
    for (let word = first + 1; word < end; word++) if (this.words[word] !== -1) this.full.delete(word);
  }
}
