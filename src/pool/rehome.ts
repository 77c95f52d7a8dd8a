/**
 * Rehome: moves every block of a pool that is not in use to its home page, as
 * direct mode requires.
 *
 * A page is wanted by the one block whose home it is. When a wanted page is
 * free its block moves there, which leaves a page that another block may want,
 * and so on: a chain. After all chains only cycles are left, in which each block
 * is on the next one's home: one block steps aside, and the rest is a chain.
 *
 * The page that a block leaves is free only after its batch. To avoid one batch
 * per block, the next blocks of a chain step aside onto spots, free pages that no
 * block wants, and move home with the following batch. No block is copied more
 * than twice.
 */
import { assert } from "../base/assert.js";
import { BitSet } from "../base/bitset.js";
import { UserError } from "../base/errors.js";
import type { Memory } from "../base/ports.js";
import type { BlockNo, PageNo } from "../base/units.js";
import { MoveBatch, ShortOfMemory } from "./blockMoves.js";
import { PERSISTENT_WORDS } from "./persistentState.js";
import type { Pool } from "./pool.js";
import { closePool, probePool } from "./probe.js";
import { allocateShared } from "./sharedState.js";
import { STATE_DIRECT, type Superblock } from "./superblock.js";

export interface RehomeReport {
  /** The pool is in state direct, where every block is at home: nothing was done. */
  readonly wasDirect: boolean;
  /** Blocks that moved home. */
  readonly moved: number;
  /** Blocks that are still away: those without a home, and those whose home they hold. */
  readonly away: number;
  /** Blocks without a home, as the file is larger than the data region. */
  readonly homeless: number;
  /** The file may grow larger than the data region, so the pool cannot be used in direct mode. */
  readonly thin: boolean;
}

export interface RehomeOptions {
  /** Pages that are moved between two syncs. */
  readonly batchPages?: number;
  /** Called after each batch. @param moved blocks that moved home; `away` those that were away at first */
  readonly onProgress?: (moved: number, away: number) => void;
}

/** 16 MiB: enough to keep a disk busy, and little memory. */
const BATCH_PAGES = 4096;
const FEWER = 8;

/**
 * Moves the blocks home. Can be repeated after a crash at any point; the pool
 * is dirty until it is done and clean afterwards.
 * @throws MediaError when the pool is damaged; nothing was changed
 * @throws UserError ENOSPC without a free page to step aside to, or memory for a copy; finished moves stay
 * @throws UserError when the medium fails; the pool is consistent and stays dirty
 */
export function rehome(memory: Memory, superblock: Superblock, options: RehomeOptions = {}): RehomeReport {
  const { geometry } = superblock;
  const thin = geometry.maxBlocks > geometry.dataPages;
  if (superblock.state === STATE_DIRECT) return { wasDirect: true, moved: 0, away: 0, homeless: 0, thin };
  const parts = {
    memory,
    geometry,
    shared: allocateShared(geometry, memory.grainPages),
    persistentWords: new Int32Array(PERSISTENT_WORDS),
    thread: 0,
  };
  const { pool, blocksAway } = probePool(parts, superblock, { readOnly: false });
  let moved = 0;
  const onMoved = (blocks: number): void => {
    moved += blocks;
    options.onProgress?.(moved, blocksAway);
  };
  let isDone: boolean;
  try {
    isDone = bringHome(pool, options.batchPages ?? BATCH_PAGES, onMoved);
  } catch (error) {
    if (error instanceof ShortOfMemory) closePool(pool);
    throw error;
  }
  closePool(pool);
  const away = blocksAway - moved;
  if (!isDone) throw noFreePage(away);
  return { wasDirect: false, moved, away, homeless: countHomeless(pool), thin };
}

/** Retries with smaller batches when memory is short: a copy needs memory before its source is released. */
function bringHome(pool: Pool, mostPages: number, onMoved: (blocks: number) => void): boolean {
  for (let batchPages = mostPages; ; batchPages = Math.max(1, Math.floor(batchPages / FEWER))) {
    try {
      return new Rehoming(pool, batchPages, onMoved).run();
    } catch (error) {
      if (!(error instanceof ShortOfMemory) || batchPages === 1) throw error;
    }
  }
}

/** A pool without a free page: nothing can have moved. */
function noFreePage(away: number): UserError {
  const reason = `${away} blocks occupy each other's home pages, and no page is free to move one aside`;
  const cure = "mount it and discard something (kmemfs trim), then try again";
  return new UserError("pool", reason, { code: "ENOSPC", cure });
}

function countHomeless({ index, geometry, blocks }: Pool): number {
  let count = 0;
  for (let block = index.nextMapped(geometry.dataPages, blocks); block < blocks; count++) {
    block = index.nextMapped(block + 1, blocks);
  }
  return count;
}

class Rehoming {
  private readonly batch: MoveBatch;
  private readonly firstDataPage: PageNo;
  /** Blocks that have a home are those before it. */
  private readonly endBlock: BlockNo;
  /** Free pages that no block wants, a ring: first in, first out, so that neighbours go to neighbours. */
  private readonly spots: Uint32Array;
  private spotHead = 0;
  private spotCount = 0;
  /** Blocks whose homes are left in this batch: with the next they come home. */
  private readonly returning: Uint32Array;
  private returningCount = 0;

  constructor(
    private readonly pool: Pool,
    batchPages: number,
    private readonly onMoved: (blocks: number) => void,
  ) {
    const { firstDataPage, dataPages } = pool.geometry;
    this.batch = new MoveBatch(pool, batchPages);
    this.spots = new Uint32Array(batchPages);
    // Half a batch, so that behind those who return there is room for others.
    this.returning = new Uint32Array(Math.floor(batchPages / 2));
    this.firstDataPage = firstDataPage;
    this.endBlock = Math.min(pool.blocks, dataPages);
  }

  /** @returns false when blocks are left on each other's homes, and no page is free */
  run(): boolean {
    this.findSpots();
    this.moveChains();
    const isDone = this.turnCycles();
    this.finish();
    return isDone;
  }

  private findSpots(): void {
    const { geometry, allocator } = this.pool;
    for (let page = geometry.firstDataPage; page < geometry.pageCount; page++) {
      if (this.spotCount === this.spots.length) return;
      if (!allocator.isTaken(page)) this.offerSpot(page);
    }
  }

  private moveChains(): void {
    const { index, allocator } = this.pool;
    for (let block = index.nextMapped(0, this.endBlock); block < this.endBlock; ) {
      if (!allocator.isTaken(this.homeOf(block))) this.follow(this.homeOf(block), -1);
      block = index.nextMapped(block + 1, this.endBlock);
    }
    this.finish();
  }

  private turnCycles(): boolean {
    const { index } = this.pool;
    const seen = BitSet.ofSize(this.endBlock);
    for (let block = index.nextMapped(0, this.endBlock); block < this.endBlock; ) {
      if (this.isInCycle(block, seen) && !this.turnCycle(block)) return false;
      block = index.nextMapped(block + 1, this.endBlock);
    }
    return true;
  }

  /** False for a block at home, in a cycle seen before, or waiting for one that has no home. */
  private isInCycle(start: BlockNo, seen: BitSet): boolean {
    if (this.pageOf(start) === this.homeOf(start)) return false;
    let block = start;
    while (this.pageOf(block) !== 0 && seen.add(block)) {
      const next = this.wanterOf(this.pageOf(block));
      if (next === start) return true;
      block = next;
    }
    return false;
  }

  /** @returns false when there is no page to step aside to */
  private turnCycle(start: BlockNo): boolean {
    if (this.spotCount === 0) this.finish();
    if (this.spotCount === 0) return false;
    const page = this.pageOf(start);
    this.move(start, page, this.takeSpot());
    this.follow(page, start);
    return true;
  }

  /**
   * Moves the block that wants `page`, a page that is free or left in this
   * batch, then the one that wants the page that this leaves, and so on.
   * @param aside the block of a cycle that has stepped aside, or -1
   */
  private follow(page: PageNo, aside: BlockNo): void {
    for (let wanted = page; ; ) {
      const block = this.wanterOf(wanted);
      const from = this.pageOf(block);
      if (from === 0) return;
      if (this.pool.allocator.take(wanted)) {
        this.move(block, from, wanted);
      } else if (this.returningCount === this.returning.length || (block !== aside && this.spotCount === 0)) {
        this.commit();
        continue;
      } else {
        this.returning[this.returningCount++] = block;
        if (block !== aside) this.move(block, from, this.takeSpot());
      }
      if (block === aside) return;
      wanted = from;
    }
  }

  private move(block: BlockNo, from: PageNo, to: PageNo): void {
    this.batch.add(block, from, to);
    if (this.batch.count === this.batch.capacity) this.commit();
  }

  private finish(): void {
    while (this.batch.count > 0) this.commit();
  }

  /** Commits the batch; the next one begins with the blocks that can move home now. */
  private commit(): void {
    const { batch } = this;
    assert(batch.count > 0, "a page is waited for that will never be free");
    batch.commit();
    let home = 0;
    for (let i = 0; i < batch.count; i++) {
      if (batch.to[i] === this.homeOf(batch.blocks[i])) home++;
      this.offerSpot(batch.from[i]);
    }
    batch.clear();
    const { returningCount } = this;
    this.returningCount = 0;
    for (let i = 0; i < returningCount; i++) {
      const block = this.returning[i];
      assert(this.pool.allocator.take(this.homeOf(block)), `the home of block ${block} is not free`);
      batch.add(block, this.pageOf(block), this.homeOf(block));
    }
    this.onMoved(home);
  }

  /** Keeps a free page as a spot, unless a block wants it or there are enough spots. */
  private offerSpot(page: PageNo): void {
    if (this.spotCount === this.spots.length || this.pageOf(this.wanterOf(page)) !== 0) return;
    this.spots[(this.spotHead + this.spotCount++) % this.spots.length] = page;
  }

  private takeSpot(): PageNo {
    const page = this.spots[this.spotHead];
    this.spotHead = (this.spotHead + 1) % this.spots.length;
    this.spotCount--;
    assert(this.pool.allocator.take(page), `page ${page} is a spot and not free`);
    return page;
  }

  private homeOf(block: BlockNo): PageNo {
    return this.firstDataPage + block;
  }

  /** The block whose home `page` is; it may be past the file's end. */
  private wanterOf(page: PageNo): BlockNo {
    return page - this.firstDataPage;
  }

  /** The page of `block`; 0 for a hole and past the file's end. */
  private pageOf(block: BlockNo): PageNo {
    return block < this.pool.blocks ? this.pool.index.get(block) : 0;
  }
}
