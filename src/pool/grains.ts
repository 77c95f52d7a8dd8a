/**
 * Memory that the backing holds only in grains of many pages (hugetlbfs:
 * 2 MiB). A grain is allocated when the first of its pages is claimed and punched
 * when the last is freed; its unused pages are the stock. The grain shared with
 * the metadata is always held.
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
    /** One bit per grain of the pool, shared. */
    heldWords: Int32Array,
    private readonly memory: Memory,
    private readonly geometry: Geometry,
    private readonly map: FreeMap,
    private readonly account: Account,
  ) {
    this.grainPages = memory.grainPages;
    this.held = new BitSet(heldWords);
  }

  /** Allocates all grains of `[page, page + count)`. Can be repeated. */
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

  /** Claims a page of the stock. Slow, for shortages only: it looks at every held page. @returns the page, or -1 */
  claimHeld(): PageNo {
    const grainCount = Math.ceil(this.geometry.pageCount / this.grainPages);
    for (let grain = this.held.next(0, grainCount); grain < grainCount; grain = this.held.next(grain + 1, grainCount)) {
      const end = this.endOf(grain);
      for (let page = this.firstDataPageOf(grain); page < end; page++) {
        const dataPage = page - this.geometry.firstDataPage;
        if (this.map.claimFrom(dataPage, 1) === 0) continue;
        // The grain may have been released before the claim.
        if (this.held.has(grain)) return page;
        this.map.free(dataPage, 1);
      }
    }
    return -1;
  }

  /** After `[page, page + count)` was freed: punches the grains that have no taken page left. */
  giveBack(page: PageNo, count: number): void {
    const last = Math.floor((page + count - 1) / this.grainPages);
    for (let grain = Math.floor(page / this.grainPages); grain <= last; grain++) this.giveBackGrain(grain);
  }

  private giveBackGrain(grain: number): void {
    const first = grain * this.grainPages;
    const end = this.endOf(grain);
    if (first < this.geometry.firstDataPage || end - first < this.grainPages) return;
    // With the whole grain claimed, no page of it can be claimed while it is punched.
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
