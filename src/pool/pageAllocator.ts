/**
 * Claims pages for blocks, home first: block b gets the b-th data page when
 * that is free, otherwise the one after its neighbour's, otherwise any. So a
 * file has few runs, and a request or discard usually has one.
 *
 * Uses page numbers of the pool; the free map below it counts data pages.
 * Where the backing has larger grains, a grain is held as long as one of its
 * pages is taken, and released when the last is freed.
 */
import type { Memory } from "../base/ports.js";
import type { BlockNo, Errno, PageNo } from "../base/units.js";
import type { Account } from "./account.js";
import { FreeMap } from "./freeMap.js";
import type { Geometry } from "./geometry.js";
import { Grains } from "./grains.js";
import type { IndexTable } from "./indexTable.js";
import type { Run } from "./run.js";
import { CONTROL, type PoolShared } from "./sharedState.js";

export class PageAllocator {
  private readonly map: FreeMap;
  private readonly grains: Grains | null;
  private readonly control: Int32Array;

  constructor(
    shared: PoolShared,
    memory: Memory,
    private readonly geometry: Geometry,
    private readonly index: IndexTable,
    private readonly account: Account,
  ) {
    this.control = shared.control;
    this.map = new FreeMap(shared.freeMap, shared.freeSummary, geometry.dataPages);
    this.grains = memory.grainPages === 1 ? null : new Grains(shared.grains, memory, geometry, this.map, account);
  }

  /**
   * Claims adjacent pages for the holes `[block, block + most)`, as many as are adjacent.
   * @returns false when no page is free
   */
  claim(block: BlockNo, most: number, claimed: Run): boolean {
    const first = this.geometry.firstDataPage;
    let at = block;
    let count = block < this.geometry.dataPages ? this.map.claimFrom(block, most) : 0;
    if (count === 0) {
      const neighbour = block > 0 ? this.index.get(block - 1) : 0;
      at = neighbour === 0 ? -1 : neighbour - first + 1;
      if (at > 0) count = this.map.claimFrom(at, most);
    }
    while (count === 0) {
      if (this.account.free === 0) return false;
      at = this.map.findFree(Atomics.load(this.control, CONTROL.cursor) >>> 0);
      if (at < 0) return false;
      count = this.map.claimFrom(at, most);
      Atomics.store(this.control, CONTROL.cursor, (at + count) | 0);
    }
    this.account.pagesClaimed(count);
    claimed.page = first + at;
    claimed.count = count;
    return true;
  }

  /** Allocates the grains of claimed pages, where the backing has grains. ENOSPC, ENOMEM. */
  holdGrains(page: PageNo, count: number): Errno {
    return this.grains === null ? 0 : this.grains.hold(page, count);
  }

  /** Claims one page of a grain that is already held. @returns false for none */
  claimHeld(claimed: Run): boolean {
    const page = this.grains?.claimHeld() ?? -1;
    if (page < 0) return false;
    this.account.pagesClaimed(1);
    claimed.page = page;
    claimed.count = 1;
    return true;
  }

  /** Frees pages whose memory has been released or zeroed. */
  free(page: PageNo, count: number): void {
    this.map.free(page - this.geometry.firstDataPage, count);
    this.grains?.giveBack(page, count);
  }

  /** Marks a page as taken; false when it already was. */
  take(page: PageNo): boolean {
    return this.takeRun(page, 1) === 1;
  }

  /** At probe: marks pages as taken, up to the first that already is. @returns how many */
  takeRun(page: PageNo, count: number): number {
    return this.map.claimFrom(page - this.geometry.firstDataPage, count);
  }

  isTaken(page: PageNo): boolean {
    return this.map.isTaken(page - this.geometry.firstDataPage);
  }

  /** True when `block` can have its home page. */
  isHomeFree(block: BlockNo): boolean {
    return block < this.geometry.dataPages && !this.map.isTaken(block);
  }

  /** The first page in `[from, end)` that is free, or `end`. */
  nextFree(from: PageNo, end: PageNo): PageNo {
    const first = this.geometry.firstDataPage;
    return first + this.map.nextFree(from - first, end - first);
  }

  /** The first page in `[from, end)` that is taken, or `end`. */
  nextTaken(from: PageNo, end: PageNo): PageNo {
    const first = this.geometry.firstDataPage;
    return first + this.map.nextTaken(from - first, end - first);
  }
}
