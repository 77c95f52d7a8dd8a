/** Maps holes: claim pages, define their content, then publish them, in this order. */
import { asShortage, EAGAIN, ENOSPC } from "../base/errno.js";
import { type Address, type BlockNo, type Errno, PAGE_BYTES, type PageNo } from "../base/units.js";
import { endOfIndexPage } from "./indexTable.js";
import type { Pool } from "./pool.js";
import { Run } from "./run.js";

/** Reused for each claim of this thread. */
const claimed = new Run();

/**
 * Maps the holes from `block` upward, at most to `end`, to fresh pages filled
 * with `headBytes` zeros, at most `length` bytes of `source`, and zeros.
 * @param dataFirst no entry reaches the media before its page does
 * @returns bytes taken from `source`, 0 when another thread has mapped the first
 * block: look it up again; or -errno
 */
export function mapHoles(
  pool: Pool,
  block: BlockNo,
  end: BlockNo,
  headBytes: number,
  source: Address,
  length: number,
  dataFirst: boolean,
): number {
  let errno = asShortage(pool.index.ensurePresent(block));
  if (errno === ENOSPC) {
    pool.drainLimbo();
    errno = asShortage(pool.index.ensurePresent(block));
  }
  if (errno !== 0) return -errno;
  // One index page at a time, as only that one is known to be present.
  const most = Math.min(end, endOfIndexPage(block)) - block;
  errno = asShortage(pool.claim(block, most, claimed));
  if (errno === EAGAIN) return 0;
  if (errno !== 0) return -errno;
  const { page, count } = claimed;
  const bytes = Math.min(count * PAGE_BYTES - headBytes, length);
  errno = define(pool, page, count, headBytes, source, bytes);
  if (errno === ENOSPC) {
    // The machine is short, not the pool: limbo may hold memory.
    pool.drainLimbo();
    errno = define(pool, page, count, headBytes, source, bytes);
  }
  if (errno === 0 && dataFirst) errno = pool.syncData();
  if (errno !== 0) {
    pool.abandon(page, count);
    pool.endClaim();
    return -errno;
  }
  // The file may have shrunk while a step above waited.
  const publishable = Math.min(count, pool.blocks - block);
  let published = 0;
  while (published < publishable && pool.index.publish(block + published, page + published)) published++;
  pool.index.persist(block, block + published);
  if (published < count) pool.abandon(page + published, count - published);
  pool.endClaim();
  return Math.min(published * PAGE_BYTES - (published === 0 ? 0 : headBytes), bytes);
}

function define(pool: Pool, page: PageNo, count: number, headBytes: number, source: Address, bytes: number): Errno {
  const { memory } = pool;
  if (bytes > 0) return asShortage(memory.fill(page, count, headBytes, source, bytes));
  // Where pages cannot be punched, a free page may hold what a killed process wrote to it.
  if (!memory.canPunch) return asShortage(memory.zero(page * PAGE_BYTES, count * PAGE_BYTES));
  return asShortage(memory.populate(page, count));
}
