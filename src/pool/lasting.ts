/**
 * What of an open pool outlives a server: words that the holder keeps and each
 * server goes on with. Everything else is rebuilt from the media (`shared.ts`).
 */
import { ACCOUNT_WORDS } from "./account.js";

/** Word offsets. */
export const LASTING = {
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
} as const;

export const MOST_LOST_PAGES = 13;

export const LASTING_WORDS = LASTING.lostPages + MOST_LOST_PAGES;
