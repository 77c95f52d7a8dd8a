/**
 * Probe: opens a formatted pool and rebuilds everything that is not on the
 * media (free map, account). Never formats, never repairs.
 */
import { assert } from "../base/assert.js";
import { MediaError, must, UserError } from "../base/errors.js";
import type { Memory } from "../base/ports.js";
import { PAGE_BYTES } from "../base/units.js";
import { DAMAGE } from "./damage.js";
import { entryOffset } from "./entry.js";
import { homePage } from "./geometry.js";
import { Pool } from "./pool.js";
import type { PoolParts } from "./reclaim.js";
import { describeEntryDamage, heldRuns, scanIndex } from "./scan.js";
import { layout, STATE_CLEAN, STATE_DIRECT, STATE_DIRTY, STATE_FORMATTING, type Superblock } from "./superblock.js";
import { updateSuperblock } from "./superblockStore.js";

export interface ProbedPool {
  readonly pool: Pool;
  /** Blocks away from home; in a pool opened read-only also those with a damaged entry. */
  readonly blocksAway: number;
}

/**
 * Opens the pool for the first thread and fills the shared state.
 * @param options `readOnly`: nothing on the media changes, and a pool with a damaged index is opened too
 * @throws MediaError for the first entry that is not valid
 * @throws UserError when the state on the media cannot be written
 */
export function probePool(parts: PoolParts, superblock: Superblock, options: { readOnly: boolean }): ProbedPool {
  if (superblock.state === STATE_FORMATTING) {
    throw new MediaError("state", "clean or dirty", "formatting (a format was interrupted)", layout.offset.state);
  }
  assert(superblock.state !== STATE_DIRECT, "the index of a pool in direct use was probed");
  assert(parts.memory.pageCount === superblock.geometry.pageCount, "the mapping is not the pool's size");
  const pool = new Pool(parts);
  let usedPages = 0;
  let blocksAway = 0;
  pool.account.reset(0, 1);
  scanIndex(parts.memory, superblock, {
    present: (indexPage) => pool.index.markPresent(indexPage),
    run: (block, page, count) => {
      const pages = pool.allocator.takeRun(page, count);
      usedPages += pages;
      if (page !== homePage(parts.geometry, block)) blocksAway += pages;
      return pages;
    },
    damaged: (damage, block, page, high) => {
      // Opened read-only, a damaged pool shows what it has: a block with a page number out of range reads as
      // EIO; two blocks with the same page both show it, as the owner is not known.
      blocksAway++;
      if (options.readOnly) return;
      pool.damage.note(DAMAGE.entry, block, page);
      const found = describeEntryDamage(damage, superblock, block, page, high);
      throw new MediaError(`index entry (${damage})`, "a valid one", found, entryOffset(block));
    },
  });
  pool.account.reset(usedPages, pool.account.metadata);
  pool.account.setBlocks(superblock.blocks);
  holdGrainsOfTaken(parts.memory, pool);
  if (!options.readOnly) {
    settleMedia(parts.memory, superblock);
    // A clean pool has strays only if another program wrote to it. With large pages they cannot be seen.
    const { canPunch, grainPages } = parts.memory;
    if (canPunch && (superblock.state !== STATE_CLEAN || grainPages === 1)) releaseStrays(parts.memory, pool);
    writeState(parts.memory, STATE_DIRTY);
  }
  return { pool, blocksAway };
}

/**
 * Closes a pool whose other threads have all ended: drains limbo, flushes, and
 * only then sets the state to clean. A pool with pages that cannot be freed stays
 * dirty, so that the next probe releases them.
 * @throws UserError when the pool stays dirty
 */
export function closePool(pool: Pool): void {
  pool.assumeSoleThread();
  pool.drainLimbo();
  must(pool.flush(), "it cannot be flushed");
  if (pool.damage.isFound) throw new UserError("pool", "it is damaged, and stays marked as unclean", { code: "EIO" });
  if (pool.account.limbo > 0) throw new UserError("pool", "discarded pages cannot be freed", { code: "EIO" });
  writeState(pool.memory, STATE_CLEAN);
}

/**
 * Syncs what a killed process stored before anything changes: the media may still have an older entry, whose
 * page must not be released, or only the copy of the superblock that is written next.
 */
function settleMedia(memory: Memory, { state, geometry }: Superblock): void {
  // The index of a clean pool is on the media; only the superblock's last copy may not be.
  memory.persist(0, (state === STATE_CLEAN ? 1 : geometry.firstDataPage) * PAGE_BYTES);
  must(memory.sync(), "it cannot be flushed");
}

/**
 * Releases strays: pages that hold memory but that no entry names, left by a killed process. A
 * reservation, or direct mode, would show their content. Where pages cannot be punched this is
 * skipped, as zeroing all free pages of a large device is slow: a page is zeroed when it is reserved.
 */
function releaseStrays(memory: Memory, pool: Pool): void {
  const { firstDataPage, pageCount } = pool.geometry;
  for (const [held, heldEnd] of heldRuns(memory, firstDataPage, pageCount)) {
    for (let page = pool.allocator.nextFree(held, heldEnd); page < heldEnd; ) {
      const end = pool.allocator.nextTaken(page, heldEnd);
      must(memory.release(page, end - page), "unused pages cannot be freed");
      page = pool.allocator.nextFree(end, heldEnd);
    }
  }
}

function holdGrainsOfTaken(memory: Memory, pool: Pool): void {
  if (memory.grainPages === 1) return;
  const { firstDataPage, pageCount } = pool.geometry;
  // The grain shared with the metadata is always held.
  if (firstDataPage % memory.grainPages !== 0) pool.allocator.holdGrains(firstDataPage, 1);
  for (let page = firstDataPage; page < pageCount; page++) {
    if (pool.allocator.isTaken(page)) pool.allocator.holdGrains(page, 1);
  }
}

/** @throws UserError when the superblock cannot be written */
function writeState(memory: Memory, state: number): void {
  must(updateSuperblock(memory, { state }), "its superblock cannot be written");
}
