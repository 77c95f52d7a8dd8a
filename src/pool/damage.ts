/**
 * Damage found on the media of an open pool, shared by all threads.
 * The first finding is kept, and from then on all writes are refused.
 */
import type { FaultCounts, Memory } from "../base/ports.js";
import { type BlockNo, PAGE_BYTES, type PageNo } from "../base/units.js";
import { MOST_LOST_PAGES, PERSISTENT } from "./persistentState.js";
import { CONTROL } from "./sharedState.js";

export const DAMAGE = {
  none: 0,
  /** An index entry that failed its check: a block and the page it names. */
  entry: 1,
  /** Memory of the pool that can no longer be accessed: poisoned or truncated. */
  memory: 2,
  /** The backing became shorter than the pool: the first missing page. */
  truncated: 3,
} as const;

export type DamageKind = (typeof DAMAGE)[keyof typeof DAMAGE];

const ALL_PAGES = 2 ** 32;
/** Of one request: a MiB, and a page where it begins within one. */
const MOST_WRITTEN_PAGES = 257;

export class Damage {
  /**
   * @param lasting the words that PERSISTENT names
   * @param control the words that CONTROL names
   */
  constructor(
    private readonly lasting: Int32Array,
    private readonly control: Int32Array,
  ) {}

  get kind(): DamageKind {
    return Atomics.load(this.lasting, PERSISTENT.damage) as DamageKind;
  }

  get isFound(): boolean {
    return this.kind !== DAMAGE.none;
  }

  /** Stored data may be gone. */
  get isLoss(): boolean {
    return this.kind === DAMAGE.memory || this.kind === DAMAGE.truncated;
  }

  /** Where it was found; 0 if unknown. */
  get block(): BlockNo {
    return Atomics.load(this.lasting, PERSISTENT.damagedBlock) >>> 0;
  }

  get page(): PageNo {
    return Atomics.load(this.lasting, PERSISTENT.damagedPage) >>> 0;
  }

  /** The first of the pages lost at the end. */
  get soundEnd(): PageNo {
    const lostFrom = Atomics.load(this.lasting, PERSISTENT.lostFrom) >>> 0;
    return lostFrom === 0 ? ALL_PAGES : lostFrom;
  }

  /** The number of faults on lost memory that are recorded. Newer ones must be recorded before any reply. */
  get faultsSeen(): number {
    return Atomics.load(this.control, CONTROL.faultsSeen) >>> 0;
  }

  /**
   * Records the pages of all new faults, or all data as lost when their pages are not known.
   * @param faults null for a loss at an unknown place
   */
  noteFaults(faults: FaultCounts | null, memory: Memory, firstDataPage: PageNo): void {
    if (faults === null) {
      this.noteLost(0);
      return;
    }
    const { count } = faults;
    const fresh = (count - this.faultsSeen) >>> 0;
    const pages = [faults.firstAddress, faults.lastAddress].map((address) => {
      const page = Math.floor((address - memory.baseAddress) / PAGE_BYTES);
      return page >= firstDataPage && page < memory.pageCount ? page : 0;
    });
    for (const page of pages) this.noteLost(page);
    // The first and last address tell two faults apart. More of them mean that much was lost at once: of a write
    // through the mapping, which copies its pages in any order.
    const ofData = pages.filter((page) => page !== 0);
    if (fresh > 2 && this.lostGrain > 1) this.noteTruncated(firstDataPage);
    else if (fresh > 2 && ofData.length > 0) {
      this.noteTruncated(Math.max(firstDataPage, Math.min(...ofData) - MOST_WRITTEN_PAGES));
    }
    Atomics.store(this.control, CONTROL.faultsSeen, count | 0);
  }

  private get lostGrain(): number {
    return Math.max(1, Atomics.load(this.control, CONTROL.lostGrain));
  }

  /** False for a page that is lost. */
  isSound(page: PageNo): boolean {
    return !this.isFound || (page < this.soundEnd && !this.isLost(page));
  }

  /** True for a page recorded as lost. Meaningful only after damage was found. */
  isLost(page: PageNo): boolean {
    const first = page - (page % this.lostGrain);
    for (let i = 0; i < MOST_LOST_PAGES; i++) {
      if (Atomics.load(this.lasting, PERSISTENT.lostPages + i) >>> 0 === first) return true;
    }
    return false;
  }

  /** Records that `page` is lost; 0 for an unknown one. When the table is full, all pages from it on are lost. */
  noteLost(page: PageNo): void {
    this.note(DAMAGE.memory, 0, page);
    if (page === 0 || this.isLost(page)) return;
    const first = page - (page % this.lostGrain);
    for (let i = 0; i < MOST_LOST_PAGES; i++) {
      if (Atomics.compareExchange(this.lasting, PERSISTENT.lostPages + i, 0, first | 0) === 0) return;
    }
    this.noteTruncated(first);
  }

  note(kind: DamageKind, block: BlockNo = 0, page: PageNo = 0): void {
    if (this.isFound) return;
    Atomics.store(this.lasting, PERSISTENT.damagedBlock, block | 0);
    Atomics.store(this.lasting, PERSISTENT.damagedPage, page | 0);
    Atomics.store(this.lasting, PERSISTENT.damage, kind);
  }

  /** Records that the backing ends before `page`. The pages stay lost even if the backing grows again. */
  noteTruncated(page: PageNo): void {
    const from = Math.max(1, page);
    for (let seen = this.soundEnd; from < seen; seen = this.soundEnd) {
      const word = seen === ALL_PAGES ? 0 : seen | 0;
      Atomics.compareExchange(this.lasting, PERSISTENT.lostFrom, word, from | 0);
    }
    this.note(DAMAGE.truncated, 0, from);
  }
}

/** The damage in words. @param damage with `isFound` */
export function describeDamage(damage: Damage): string {
  if (damage.kind === DAMAGE.entry) {
    return `block ${damage.block}: its index entry points to page ${damage.page}, which is not one of its pages`;
  }
  if (damage.kind === DAMAGE.truncated)
    return `another process truncated the pool, which now ends before page ${damage.page}`;
  const which = damage.page === 0 ? "memory" : `page ${damage.page}`;
  return `${which} of the pool can no longer be accessed`;
}
