/**
 * What was found wrong with the media of an open pool, shared by all threads.
 * The first finding counts; from then on nothing is written any more.
 */
import type { FaultCounts, Memory } from "../base/ports.js";
import { type BlockNo, PAGE_BYTES, type PageNo } from "../base/units.js";
import { MOST_LOST_PAGES, PERSISTENT } from "./persistentState.js";
import { CONTROL } from "./sharedState.js";

export const DAMAGE = {
  none: 0,
  /** An index entry that failed its check: a block and the page it names. */
  entry: 1,
  /** Memory of the pool that cannot be touched any more: poisoned, or cut off. */
  memory: 2,
  /** The backing became shorter than the pool: the first page that is gone. */
  truncated: 3,
} as const;

export type DamageKind = (typeof DAMAGE)[keyof typeof DAMAGE];

const ALL_PAGES = 2 ** 32;

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

  /** Something that was stored may be gone. */
  get isLoss(): boolean {
    return this.kind === DAMAGE.memory || this.kind === DAMAGE.truncated;
  }

  /** Where it was found; 0 where that is not known. */
  get block(): BlockNo {
    return Atomics.load(this.lasting, PERSISTENT.damagedBlock) >>> 0;
  }

  get page(): PageNo {
    return Atomics.load(this.lasting, PERSISTENT.damagedPage) >>> 0;
  }

  /** Pages from here on are lost. */
  get soundEnd(): PageNo {
    const lostFrom = Atomics.load(this.lasting, PERSISTENT.lostFrom) >>> 0;
    return lostFrom === 0 ? ALL_PAGES : lostFrom;
  }

  /** Faults on lost memory that are noted already; more of them must be noted before anything is answered. */
  get faultsSeen(): number {
    return Atomics.load(this.control, CONTROL.faultsSeen) >>> 0;
  }

  /** Notes the pages of all faults that were not noted before; where they cannot be told apart, all data. @param faults null when nobody knows where */
  noteFaults(faults: FaultCounts | null, memory: Memory, firstDataPage: PageNo): void {
    if (faults === null) {
      this.noteLost(0);
      return;
    }
    const { count } = faults;
    const fresh = (count - this.faultsSeen) >>> 0;
    for (const address of [faults.firstAddress, faults.lastAddress]) {
      const page = Math.floor((address - memory.baseAddress) / PAGE_BYTES);
      this.noteLost(page >= firstDataPage && page < memory.pageCount ? page : 0);
    }
    // Only where much is lost at once do data pages fault at all: others are touched by system calls.
    if (fresh > 2 && this.lostGrain > 1) this.noteTruncated(firstDataPage);
    Atomics.store(this.control, CONTROL.faultsSeen, count | 0);
  }

  private get lostGrain(): number {
    return Math.max(1, Atomics.load(this.control, CONTROL.lostGrain));
  }

  /** False for a page that is lost. */
  isSound(page: PageNo): boolean {
    return !this.isFound || (page < this.soundEnd && !this.isLost(page));
  }

  /** True for a single page that is lost. To be asked only where damage was found. */
  isLost(page: PageNo): boolean {
    const first = page - (page % this.lostGrain);
    for (let i = 0; i < MOST_LOST_PAGES; i++) {
      if (Atomics.load(this.lasting, PERSISTENT.lostPages + i) >>> 0 === first) return true;
    }
    return false;
  }

  /** Page `page` cannot be touched any more, 0 when nobody knows which. More than can be told apart take all behind them along. */
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

  /** The backing ends before page `page` now. It stays lost, also when the backing grows again. */
  noteTruncated(page: PageNo): void {
    const from = Math.max(1, page);
    for (let seen = this.soundEnd; from < seen; seen = this.soundEnd) {
      const word = seen === ALL_PAGES ? 0 : seen | 0;
      Atomics.compareExchange(this.lasting, PERSISTENT.lostFrom, word, from | 0);
    }
    this.note(DAMAGE.truncated, 0, from);
  }
}

/** For people: what was found. @param damage of which something was found */
export function describeDamage(damage: Damage): string {
  if (damage.kind === DAMAGE.entry) {
    return `block ${damage.block}: its index entry points to page ${damage.page}, which is not one of its pages`;
  }
  if (damage.kind === DAMAGE.truncated)
    return `another process truncated the pool, which now ends before page ${damage.page}`;
  const which = damage.page === 0 ? "memory" : `page ${damage.page}`;
  return `${which} of the pool can no longer be accessed`;
}
