/**
 * Memory that the backing holds only in grains of many pages (hugetlbfs:
 * 2 MiB). A grain is made when the first of its pages is claimed and punched
 * when the last is freed; what it holds beyond the used pages is the stock.
 * The grain that the metadata reaches into is held for ever.
 */
import { BitSet } from "../base/bitset.js";
import type { Memory } from "../base/ports.js";
import type { Errno, PageNo } from "../base/units.js";
import type { Account } from "./account.js";
import type { FreeMap } from "./freeMap.js";
import type { Geometry } from "./geometry.js";

export class Grains {
  private readonly grainPages: number;
  private readonly held: BitSet;

  constructor(
    /** One bit a grain of the pool, shared. */
    heldWords: Int32Array,
    private readonly memory: Memory,
    private readonly geometry: Geometry,
    private readonly map: FreeMap,
    private readonly account: Account,
  ) {
    this.grainPages = memory.grainPages;
    this.held = new BitSet(heldWords);
  }

  /** Makes the memory of all grains of `[page, page + count)`. Safe to repeat. */
  hold(page: PageNo, count: number): Errno {
    const last = Math.floor((page + count - 1) / this.grainPages);
    for (let grain = Math.floor(page / this.grainPages); grain <= last; grain++) {
      if (this.held.has(grain)) continue;
      const first = this.firstDataPageOf(grain);
      const errno = this.memory.populate(first, this.endOf(grain) - first);
      if (errno !== 0) return errno;
      if (this.held.add(grain)) this.account.grainsHeld(this.endOf(grain) - first);
    }
    return 0;
  }

  /** Claims a free page whose grain is held: stock. @returns its number, or -1. Looks at every held page: for shortages only */
  claimHeld(): PageNo {
    const grainCount = Math.ceil(this.geometry.pageCount / this.grainPages);
    for (let grain = this.held.next(0, grainCount); grain < grainCount; grain = this.held.next(grain + 1, grainCount)) {
      const end = this.endOf(grain);
      for (let page = this.firstDataPageOf(grain); page < end; page++) {
        const dataPage = page - this.geometry.firstDataPage;
        if (this.map.claimFrom(dataPage, 1) === 0) continue;
        // Given back between the look and the claim?
        if (this.held.has(grain)) return page;
        this.map.free(dataPage, 1);
      }
    }
    return -1;
  }

  /** After `[page, page + count)` was freed: punches the grains in which nothing is taken any more. */
  giveBack(page: PageNo, count: number): void {
    const last = Math.floor((page + count - 1) / this.grainPages);
    for (let grain = Math.floor(page / this.grainPages); grain <= last; grain++) this.giveBackGrain(grain);
  }

  private giveBackGrain(grain: number): void {
    const first = grain * this.grainPages;
    const end = this.endOf(grain);
    if (first < this.geometry.firstDataPage || end - first < this.grainPages) return;
    // Claim the whole grain, so that nobody gets a page of it while it is punched.
    const dataPage = first - this.geometry.firstDataPage;
    const claimed = this.map.claimFrom(dataPage, this.grainPages);
    if (claimed === this.grainPages && this.memory.release(first, this.grainPages) === 0) {
      if (this.held.delete(grain)) this.account.grainsHeld(-this.grainPages);
    }
    if (claimed > 0) this.map.free(dataPage, claimed);
  }

  private firstDataPageOf(grain: number): PageNo {
    return Math.max(grain * this.grainPages, this.geometry.firstDataPage);
  }

  private endOf(grain: number): PageNo {
    return Math.min((grain + 1) * this.grainPages, this.geometry.pageCount);
  }
}
