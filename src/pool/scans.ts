/** Long scans of the index, in steps, so that limbo can drain in between. */
import { ENXIO } from "../base/errno.js";
import { type BlockNo, type ByteOffset, bytesToPagesFloor, PAGE_BYTES } from "../base/units.js";
import { type Pool, SHORTAGE_TRIES } from "./pool.js";

/** Blocks of one step: 4 GiB. */
export const STEP_BLOCKS = 1024 * 1024;

/** Offset of the first mapped byte at or after `offset`, or -ENXIO. */
export function seekData(pool: Pool, offset: ByteOffset): number {
  if (offset >= pool.blocks * PAGE_BYTES) return -ENXIO;
  const end = pool.blocks;
  for (let block = bytesToPagesFloor(offset); block < end; ) {
    const stepEnd = Math.min(end, block + STEP_BLOCKS);
    block = pool.index.nextMapped(block, stepEnd);
    if (block < stepEnd) return Math.max(offset, block * PAGE_BYTES);
    pool.yieldEpoch();
  }
  return -ENXIO;
}

/** Offset of the first hole at or after `offset`; the end of the file is one. -ENXIO past it. */
export function seekHole(pool: Pool, offset: ByteOffset): number {
  if (offset >= pool.blocks * PAGE_BYTES) return -ENXIO;
  const end = pool.blocks;
  let block = bytesToPagesFloor(offset);
  for (let stepEnd = block; block === stepEnd && block < end; pool.yieldEpoch()) {
    stepEnd = Math.min(end, block + STEP_BLOCKS);
    block = pool.index.nextHole(block, stepEnd);
  }
  return Math.max(offset, block * PAGE_BYTES);
}

/** Checked before a reservation, so that it fails without claiming anything. */
export function hasRoomFor(pool: Pool, first: BlockNo, end: BlockNo): boolean {
  const { account } = pool;
  if (end - first <= account.free) return true;
  for (let tries = 0; tries < SHORTAGE_TRIES; tries++) {
    const mark = pool.quietMark();
    const { used } = account;
    const holes = countHoles(pool, first, end);
    if (holes <= account.free) return true;
    // Unless `used` changed, so that a counted hole may be mapped by now.
    if (used === account.used && pool.isShortFor(mark)) return false;
    pool.drainLimbo();
    if (tries > 0) pool.awaitTransit();
  }
  return false;
}

function countHoles(pool: Pool, first: BlockNo, end: BlockNo): number {
  let holes = 0;
  for (let block = first; block < end; ) {
    const hole = pool.index.nextHole(block, Math.min(end, block + STEP_BLOCKS));
    const mapped = pool.index.nextMapped(hole, Math.min(end, hole + STEP_BLOCKS));
    holes += mapped - hole;
    block = mapped;
    pool.yieldEpoch();
  }
  return holes;
}
