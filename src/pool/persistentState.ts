/**
 * The state of an open pool that outlives a server: words that the holder keeps
 * and each server inherits. Everything else is rebuilt from the media (`sharedState.ts`).
 */
import type { Errno } from "../base/units.js";
import { ACCOUNT_WORDS } from "./account.js";

/** Word offsets. */
export const PERSISTENT = {
  /** ACCOUNT_WORDS words. */
  account: 0,
  /** The errno of a failed sync, which stays failed. */
  failedErrno: ACCOUNT_WORDS,
  /** If not 0, the damage of the media (DAMAGE in damage.ts), followed by its block and page. */
  damage: ACCOUNT_WORDS + 1,
  damagedBlock: ACCOUNT_WORDS + 2,
  damagedPage: ACCOUNT_WORDS + 3,
  /** The first page missing from a truncated backing, or 0. */
  lostFrom: ACCOUNT_WORDS + 4,
  /** MOST_LOST_PAGES lost pages, each the first of its grain; 0 for none. */
  lostPages: ACCOUNT_WORDS + 5,
  /** The one smaller size, in blocks, that the file may take in direct mode; 0 for none. */
  shrinkTo: ACCOUNT_WORDS + 18,
} as const;

export const MOST_LOST_PAGES = PERSISTENT.shrinkTo - PERSISTENT.lostPages;

export const PERSISTENT_WORDS = PERSISTENT.shrinkTo + 1;

/** Allows the file to shrink to `blocks` once; 0 withdraws it. */
export function allowShrink(persistentWords: Int32Array, blocks: number): void {
  Atomics.store(persistentWords, PERSISTENT.shrinkTo, blocks | 0);
}

export function mayShrinkTo(persistentWords: Int32Array, blocks: number): boolean {
  return blocks > 0 && Atomics.load(persistentWords, PERSISTENT.shrinkTo) >>> 0 === blocks;
}

/** The allowed shrink is done. */
export function shrunk(persistentWords: Int32Array, blocks: number): void {
  Atomics.compareExchange(persistentWords, PERSISTENT.shrinkTo, blocks | 0, 0);
}

/** The errno of a failed sync, or 0. The failure also holds for the next server. */
export function failedErrno(persistentWords: Int32Array): Errno {
  return Atomics.load(persistentWords, PERSISTENT.failedErrno);
}

export function noteFailed(persistentWords: Int32Array, errno: Errno): void {
  Atomics.store(persistentWords, PERSISTENT.failedErrno, errno);
}
