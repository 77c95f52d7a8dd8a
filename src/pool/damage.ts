/**
 * What was found wrong with the media of an open pool, shared by all threads.
 * The first finding counts; from then on nothing is written any more.
 */
import type { BlockNo, PageNo } from "../base/units.js";
import { CONTROL, MOST_LOST_PAGES } from "./shared.js";

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
  /** @param control the words that CONTROL names */
  constructor(private readonly control: Int32Array) {}

  get kind(): DamageKind {
    return Atomics.load(this.control, CONTROL.damage) as DamageKind;
  }

  get isFound(): boolean {
    return this.kind !== DAMAGE.none;
  }

  /** Where it was found; 0 where that is not known. */
  get block(): BlockNo {
    return Atomics.load(this.control, CONTROL.damagedBlock) >>> 0;
  }

  get page(): PageNo {
    return Atomics.load(this.control, CONTROL.damagedPage) >>> 0;
  }

  /** Pages from here on are lost. */
  get soundEnd(): PageNo {
    const lostFrom = Atomics.load(this.control, CONTROL.lostFrom) >>> 0;
    return lostFrom === 0 ? ALL_PAGES : lostFrom;
  }

  /** True for a single page that is lost. To be asked only where damage was found. */
  isLost(page: PageNo): boolean {
    const count = Math.min(Atomics.load(this.control, CONTROL.lostCount), MOST_LOST_PAGES);
    for (let i = 0; i < count; i++) if (this.control[CONTROL.lostPages + i] >>> 0 === page) return true;
    return false;
  }

  /** Page `page` cannot be touched any more, 0 when nobody knows which. More than can be told apart take all behind them along. */
  noteLost(page: PageNo): void {
    this.note(DAMAGE.memory, 0, page);
    if (page === 0 || this.isLost(page)) return;
    const i = Atomics.add(this.control, CONTROL.lostCount, 1);
    if (i < MOST_LOST_PAGES) Atomics.store(this.control, CONTROL.lostPages + i, page | 0);
    else this.noteTruncated(page);
  }

  note(kind: DamageKind, block: BlockNo = 0, page: PageNo = 0): void {
    if (this.isFound) return;
    Atomics.store(this.control, CONTROL.damagedBlock, block | 0);
    Atomics.store(this.control, CONTROL.damagedPage, page | 0);
    Atomics.store(this.control, CONTROL.damage, kind);
  }

  /** The backing ends before page `page` now. It stays lost, also when the backing grows again. */
  noteTruncated(page: PageNo): void {
    const from = Math.max(1, page);
    if (from < this.soundEnd) Atomics.store(this.control, CONTROL.lostFrom, from | 0);
    this.note(DAMAGE.truncated, 0, from);
  }
}

/** For people: what was found. @param damage of which something was found */
export function describeDamage(damage: Damage): string {
  if (damage.kind === DAMAGE.entry) {
    return `block ${damage.block}: its index entry names page ${damage.page}, which is none of its pages`;
  }
  if (damage.kind === DAMAGE.truncated) return `somebody made the pool shorter: it ends before page ${damage.page} now`;
  const which = damage.page === 0 ? "memory" : `page ${damage.page}`;
  return `${which} of the pool cannot be touched any more`;
}
