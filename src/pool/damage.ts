/**
 * What was found wrong with the media of an open pool, shared by all threads.
 * The first finding counts; from then on nothing is written any more.
 */
import type { BlockNo, PageNo } from "../base/units.js";
import { CONTROL } from "./shared.js";

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
  return "memory of the pool cannot be read any more";
}
