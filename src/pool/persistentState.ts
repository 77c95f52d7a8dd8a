/**
 * What of an open pool outlives a server: words that the holder keeps and each
 * server goes on with. Everything else is rebuilt from the media (`sharedState.ts`).
 */
import type { Errno } from "../base/units.js";
import { ACCOUNT_WORDS } from "./account.js";

/** Word offsets. */
export const PERSISTENT = {
  /** ACCOUNT_WORDS words. */
  account: 0,
  /** The errno of a failed sync: what was lost then stays lost. */
  failedErrno: ACCOUNT_WORDS,
  /** Not 0: what is wrong with the media (DAMAGE in damage.ts), and where: a block, a page. */
  damage: ACCOUNT_WORDS + 1,
  damagedBlock: ACCOUNT_WORDS + 2,
  damagedPage: ACCOUNT_WORDS + 3,
  /** The first page that the backing has lost, or 0: somebody truncated it. */
  lostFrom: ACCOUNT_WORDS + 4,
  /** MOST_LOST_PAGES pages that are lost, by the first of their grain; 0 for none. */
  lostPages: ACCOUNT_WORDS + 5,
  /** The one smaller size, in blocks, that the file may be given in direct mode; 0 for none. */
  shrinkTo: ACCOUNT_WORDS + 18,
} as const;

export const MOST_LOST_PAGES = PERSISTENT.shrinkTo - PERSISTENT.lostPages;

export const PERSISTENT_WORDS = PERSISTENT.shrinkTo + 1;

/** Lets the file be made as short as `blocks`, once; 0 takes that back. */
export function allowShrink(persistentWords: Int32Array, blocks: number): void {
  Atomics.store(persistentWords, PERSISTENT.shrinkTo, blocks | 0);
}

export function mayShrinkTo(persistentWords: Int32Array, blocks: number): boolean {
  return blocks > 0 && Atomics.load(persistentWords, PERSISTENT.shrinkTo) >>> 0 === blocks;
}

/** What was allowed is done. */
export function shrunk(persistentWords: Int32Array, blocks: number): void {
  Atomics.compareExchange(persistentWords, PERSISTENT.shrinkTo, blocks | 0, 0);
}

/** The errno of a sync that failed, or 0: what was lost then stays lost, also for the next server. */
export function failedErrno(persistentWords: Int32Array): Errno {
  return Atomics.load(persistentWords, PERSISTENT.failedErrno);
}

export function noteFailed(persistentWords: Int32Array, errno: Errno): void {
  Atomics.store(persistentWords, PERSISTENT.failedErrno, errno);
}
