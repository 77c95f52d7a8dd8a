/** A set of data pages, one bit a page, for one thread: check and repair. Pages are numbers of the pool. */
import type { PageNo } from "../base/units.js";
import type { Geometry } from "./geometry.js";

export class PageSet {
  private readonly words: Int32Array;
  private readonly first: PageNo;
  private readonly end: PageNo;
  /** No page below is free. */
  private lowest: PageNo;

  constructor(geometry: Geometry) {
    this.words = new Int32Array(Math.ceil(geometry.dataPages / 32));
    this.first = geometry.firstDataPage;
    this.end = geometry.pageCount;
    this.lowest = this.first;
  }

  has(page: PageNo): boolean {
    const bit = page - this.first;
    return ((this.words[bit >>> 5] >>> (bit & 31)) & 1) === 1;
  }

  /** @returns false when it was there already */
  add(page: PageNo): boolean {
    return this.addRun(page, 1) === 1;
  }

  /** Adds pages from `page` on, at most `count`. @returns how many before the first that was there already */
  addRun(page: PageNo, count: number): number {
    const from = page - this.first;
    for (let done = 0; done < count; ) {
      const bit = (from + done) & 31;
      const word = (from + done) >>> 5;
      const old = this.words[word];
      if (bit === 0 && count - done >= 32 && old === 0) {
        this.words[word] = -1;
        done += 32;
        continue;
      }
      if (((old >>> bit) & 1) === 1) return done;
      this.words[word] = old | (1 << bit);
      done++;
    }
    return count;
  }

  /** The lowest page of the data region that is not in the set, or 0. */
  lowestFree(): PageNo {
    while (this.lowest < this.end && this.has(this.lowest)) this.lowest++;
    return this.lowest < this.end ? this.lowest : 0;
  }
}
