/** The findings of check. */
import type { BlockNo, PageNo } from "../base/units.js";
import type { EntryDamage } from "./scan.js";

/**
 * `superblock`: there is no valid copy; `superblock-copy`: one copy is damaged or
 * stale, the other valid; `data-size`: `data` of a pool in direct use is shorter
 * than the disk. The others are damaged entries.
 */
export type FindingKind = "superblock" | "superblock-copy" | "data-size" | EntryDamage;

export interface Finding {
  readonly kind: FindingKind;
  readonly message: string;
  readonly blockNo?: BlockNo;
  readonly pageNo?: PageNo;
  /** For a duplicate: the lowest block that maps the page. */
  readonly ownerBlockNo?: BlockNo;
  /** Byte offset in the pool. */
  readonly offsetBytes: number;
}
