/**
 * Atomic writes to mapped blocks, also across a crash: claim new pages, define
 * their content, sync, then swing the entries. The old pages go through limbo.
 * A partly written block gets a whole new page too.
 */
import { asShortage, EAGAIN, EFAULT, EIO, ENOSPC } from "../base/errno.js";
import { type Address, type BlockNo, bytesToPagesFloor, type Errno, PAGE_BYTES, type PageNo } from "../base/units.js";
import type { Pool } from "./pool.js";
import { Run } from "./run.js";

/** Reused for each claim of this thread. */
const claimed = new Run();

/**
 * Gives the mapped blocks from `block` upward, at most to `end`, new pages with at
 * most `length` bytes of `source` from byte `inPage` on: whole blocks, or a part of one.
 * @returns bytes taken from `source`, 0 when another thread has changed the first
 * block: look it up again; or -errno
 */
export function rewriteBlocks(
  pool: Pool,
  block: BlockNo,
  end: BlockNo,
  inPage: number,
  source: Address,
  length: number,
): number {
  const done = attempt(pool, block, end, inPage, source, length);
  if (done !== -ENOSPC) return done;
  // The machine is short, not the pool: limbo may hold memory.
  pool.drainLimbo();
  return attempt(pool, block, end, inPage, source, length);
}

function attempt(pool: Pool, block: BlockNo, end: BlockNo, inPage: number, source: Address, length: number): number {
  const wholeBlocks = inPage === 0 ? bytesToPagesFloor(length) : 0;
  let errno = asShortage(pool.claim(block, Math.min(end - block, Math.max(1, wholeBlocks)), claimed));
  if (errno !== 0) return errno === EAGAIN ? -ENOSPC : -errno;
  const { page, count } = claimed;
  const bytes = wholeBlocks > 0 ? count * PAGE_BYTES : Math.min(PAGE_BYTES - inPage, length);
  // Looked up after the claim, which may have waited; the page stays valid within this epoch.
  const old = pool.index.get(block);
  const isThere = pool.isSound(old);
  if (isThere) {
    errno = wholeBlocks > 0 ? fillWhole(pool, page, count, source) : fillPart(pool, page, old, inPage, source, bytes);
    errno ||= pool.syncData();
  }
  const swung = isThere && errno === 0 ? swing(pool, block, page, wholeBlocks > 0 ? count : 1, old) : 0;
  if (swung < count) pool.abandon(page + swung, count - swung);
  pool.endClaim();
  if (errno !== 0) return -errno;
  return wholeBlocks > 0 ? swung * PAGE_BYTES : swung * bytes;
}

function fillWhole(pool: Pool, page: PageNo, count: number, source: Address): Errno {
  return asShortage(pool.memory.fill(page, count, 0, source, count * PAGE_BYTES));
}

function fillPart(pool: Pool, page: PageNo, old: PageNo, inPage: number, source: Address, bytes: number): Errno {
  const { memory } = pool;
  const oldAddress = memory.baseAddress + old * PAGE_BYTES;
  const errno = asShortage(memory.fill(page, 1, 0, oldAddress, PAGE_BYTES));
  if (errno === EFAULT) {
    pool.damage.noteLost(old);
    return EIO;
  }
  return errno || memory.write(page * PAGE_BYTES + inPage, source, bytes);
}

/**
 * Swings entries to the new pages while their blocks are mapped; the old pages go to limbo in runs.
 * @param firstOld the page that the first block must still have
 */
function swing(pool: Pool, block: BlockNo, page: PageNo, count: number, firstOld: PageNo): number {
  const { index } = pool;
  let swung = 0;
  while (swung < count) {
    const first = swung === 0 ? firstOld : index.get(block + swung);
    let run = 0;
    // Adjacent old pages go to limbo together. That may wait, so each run is looked up again.
    while (swung + run < count && pool.isSound(first + run)) {
      if (!index.replace(block + swung + run, first + run, page + swung + run)) break;
      run++;
    }
    if (run === 0) break;
    index.persist(block + swung, block + swung + run);
    pool.abandon(first, run);
    swung += run;
  }
  return swung;
}
