/** What check finds, as it tells it. */
import type { BlockNo, PageNo } from "../base/units.js";
import type { EntryDamage } from "./scan.js";

/**
 * `superblock`: no valid copy is left, or the pool is none; `superblock-copy`: one
 * copy is damaged or old, the other counts; `data-size`: `data` of a pool in direct
 * use is shorter than the disk; the others are of entries.
 */
export type FindingKind = "superblock" | "superblock-copy" | "data-size" | EntryDamage;

export interface Finding {
  readonly kind: FindingKind;
  readonly message: string;
  readonly blockNo?: BlockNo;
  readonly pageNo?: PageNo;
  /** Of a duplicate: the lowest block that has the page. */
  readonly ownerBlockNo?: BlockNo;
  /** Byte of the pool where it stands. */
  readonly offsetBytes: number;
}
