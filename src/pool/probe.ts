/**
 * Probe: opens a pool that was formatted, and rebuilds everything that is not
 * on the media (free map, account). Never formats, never repairs.
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
  /** Blocks whose page is not their home page; in a pool opened read-only also those whose entry is damaged. */
  readonly blocksAway: number;
}

/**
 * Opens the pool for this thread, the first to do so, and fills the shared state.
 * @param options `readOnly`: nothing on the media is changed, and a damaged index is no reason to refuse
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
      // Opened read-only, a damaged pool shows what it has: a page number out of range is EIO for its block;
      // which of two blocks a page belongs to nobody can tell, and both show it.
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
    // A clean pool has none, unless others wrote to it: in large pages, where they cannot be seen, that is not looked for.
    const { canPunch, grainPages } = parts.memory;
    if (canPunch && (superblock.state !== STATE_CLEAN || grainPages === 1)) releaseStrays(parts.memory, pool);
    writeState(parts.memory, STATE_DIRTY);
  }
  return { pool, blocksAway };
}

/**
 * Closes a pool whose other threads have all ended: limbo goes, everything is
 * flushed, and only then the state becomes clean. A pool that keeps pages which
 * no entry names stays dirty, so that the next probe gives them back where they can be.
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
 * What a killed process stored need not be on the media. It goes there before anything changes: the media may
 * still have an older entry, whose page must not be given back, or only the copy of the superblock that is written next.
 */
function settleMedia(memory: Memory, { state, geometry }: Superblock): void {
  // In a pool that is closed the index is on the media; only the superblock's last copy may be missing.
  memory.persist(0, (state === STATE_CLEAN ? 1 : geometry.firstDataPage) * PAGE_BYTES);
  must(memory.sync(), "it cannot be flushed");
}

/**
 * Who was killed leaves pages that hold memory but that no entry names: they go back now. What is
 * reserved, or mapped in direct mode, would show what they hold. Where nothing can be punched
 * they are no loss, and zeroing all that is free takes as long as the device is large: a
 * page is zeroed when it is reserved.
 */
function releaseStrays(memory: Memory, pool: Pool): void {
  const { firstDataPage, pageCount } = pool.geometry;
  for (const [held, heldEnd] of heldRuns(memory, firstDataPage, pageCount)) {
    for (let page = held; page < heldEnd; ) {
      if (pool.allocator.isTaken(page)) {
        page++;
        continue;
      }
      const first = page;
      while (page < heldEnd && !pool.allocator.isTaken(page)) page++;
      must(memory.release(first, page - first), "unused pages cannot be freed");
    }
  }
}

function holdGrainsOfTaken(memory: Memory, pool: Pool): void {
  if (memory.grainPages === 1) return;
  const { firstDataPage, pageCount } = pool.geometry;
  // The metadata's last grain is there whether a data page of it is used or not.
  if (firstDataPage % memory.grainPages !== 0) pool.allocator.holdGrains(firstDataPage, 1);
  for (let page = firstDataPage; page < pageCount; page++) {
    if (pool.allocator.isTaken(page)) pool.allocator.holdGrains(page, 1);
  }
}

/** @throws UserError when the superblock cannot be written */
function writeState(memory: Memory, state: number): void {
  must(updateSuperblock(memory, { state }), "its superblock cannot be written");
}
