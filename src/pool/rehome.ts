/**
 * Rehome: brings every block of a pool that nobody has open to its home page,
 * as the direct way needs it.
 *
 * A page is wanted by the one block whose home it is. A block that comes home
 * leaves a page that another may want, and so on: a chain, or a cycle. Such
 * blocks come home a batch at a time: first they step aside onto spots, free
 * pages that no block wants, and then, as the pages that they left are free,
 * they go home. No block is copied more than twice.
 */
import { assert } from "../base/assert.js";
import { BitSet } from "../base/bitset.js";
import { UserError } from "../base/errors.js";
import type { Memory } from "../base/ports.js";
import type { BlockNo, PageNo } from "../base/units.js";

import { type Move, moveBlocks, ShortOfMemory } from "./blockMoves.js";
import { homePage } from "./geometry.js";
import { PERSISTENT_WORDS } from "./persistentState.js";
import type { Pool } from "./pool.js";
import { closePool, probePool } from "./probe.js";
import { allocateShared } from "./sharedState.js";
import { STATE_DIRECT, type Superblock } from "./superblock.js";

export interface RehomeReport {
  /** The pool was left in the direct way, where every block is at home: nothing was done. */
  readonly wasDirect: boolean;
  /** Blocks that came home. */
  readonly moved: number;
  /** Blocks that are still away: those without a home, and those whose home they hold. */
  readonly away: number;
  /** Blocks that have no home: the file is larger than the data region. */
  readonly homeless: number;
  /** The file may become larger than the data region: such a pool cannot be used the direct way. */
  readonly thin: boolean;
}

export interface RehomeOptions {
  /** Pages that are moved between two syncs. */
  readonly batchPages?: number;
  /** Called after each batch. @param moved blocks that came home; `away` those that were not there at first */
  readonly onProgress?: (moved: number, away: number) => void;
}

/** 16 MiB: enough for a disk to be busy with, and little memory. */
const BATCH_PAGES = 4096;
const FEWER = 8;

/**
 * Brings the blocks home. Can be cut off at any point and done again; the
 * pool is dirty meanwhile and clean afterwards.
 * @throws MediaError when the pool is damaged; nothing was changed
 * @throws UserError ENOSPC when no page is free to step aside to, or no memory for a copy; what has moved stays moved
 * @throws UserError when the medium fails; the pool is whole and stays dirty
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

/** With less memory to be had the batches become smaller: a copy needs it before its source goes back. */
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
  private readonly firstDataPage: PageNo;
  /** Blocks that have a home are those before it. */
  private readonly endBlock: BlockNo;
  /** Blocks of the batch. Each is away, and so is whoever has its home, if anybody. */
  private batch = new Set<BlockNo>();
  /** Free pages that no block wants. */
  private readonly spots: PageNo[] = [];
  /** Of these the batch needs so many. */
  private spotsNeeded = 0;

  constructor(
    private readonly pool: Pool,
    private readonly batchPages: number,
    private readonly onMoved: (blocks: number) => void,
  ) {
    const { firstDataPage, dataPages } = pool.geometry;
    this.firstDataPage = firstDataPage;
    this.endBlock = Math.min(pool.blocks, dataPages);
  }

  /** @returns false when blocks are left on each other's homes, and no page is free */
  run(): boolean {
    const { geometry, allocator } = this.pool;
    for (let page = geometry.firstDataPage; page < geometry.pageCount && this.spots.length < this.batchPages; page++) {
      if (!allocator.isTaken(page)) this.offerSpot(page);
    }
    // Chains first: in a pool that is nearly full only their ends make spots.
    this.eachBlock((block) => {
      if (!allocator.isTaken(this.homeOf(block)) && !this.batch.has(block)) this.follow(block);
      return true;
    });
    this.bringHome();
    const seen = BitSet.ofSize(this.endBlock);
    const isDone = this.eachBlock((block) => {
      if (!this.isInCycle(block, seen)) return true;
      if (this.spotsNeeded === this.spots.length) this.bringHome();
      if (this.spots.length === 0) return false;
      this.follow(block);
      return true;
    });
    this.bringHome();
    return isDone;
  }

  /** @returns false when `visit` did, which ends it */
  private eachBlock(visit: (block: BlockNo) => boolean): boolean {
    const { index } = this.pool;
    for (let block = index.nextMapped(0, this.endBlock); block < this.endBlock; ) {
      if (!visit(block)) return false;
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

  /** Adds `start`, then the block that wants its page, and so on: to the end of a chain, or once around a cycle. */
  private follow(start: BlockNo): void {
    for (let block = start; ; ) {
      const next = this.wanterOf(this.pageOf(block));
      this.add(block);
      if (this.pageOf(next) === 0) return;
      block = next;
      if (block === start) break;
    }
    // Of a cycle longer than a batch the first waits on a spot until the last has left its home.
    if (!this.batch.has(start) && this.pageOf(start) !== this.homeOf(start)) this.add(start);
  }

  private add(block: BlockNo): void {
    const isFull = this.batch.size === this.batchPages;
    if (isFull || (this.needsSpot(block) && this.spotsNeeded === this.spots.length)) this.bringHome();
    // After that its home is free, unless it is the first of a cycle, for which there is a spot.
    if (this.needsSpot(block)) this.spotsNeeded++;
    this.batch.add(block);
  }

  private needsSpot(block: BlockNo): boolean {
    return this.pool.allocator.isTaken(this.homeOf(block)) && this.isWanted(this.pageOf(block));
  }

  /** Does the batch: those whose home is free go there, the others step aside first. */
  private bringHome(): void {
    const { batch } = this;
    this.batch = new Set();
    this.spotsNeeded = 0;
    this.moveAll(batch, (block) => this.takeHome(block) ?? this.takeSpot(block));
    this.moveAll(batch, (block) => this.takeHome(block));
  }

  /** @param target a page that is taken for the block; null where it stays */
  private moveAll(blocks: ReadonlySet<BlockNo>, target: (block: BlockNo) => PageNo | null): void {
    const moves: Move[] = [];
    for (const block of blocks) {
      const to = target(block);
      if (to !== null) moves.push({ block, from: this.pageOf(block), to });
    }
    if (moves.length === 0) return;
    moveBlocks(this.pool, moves);
    for (const { from } of moves) this.offerSpot(from);
    this.onMoved(moves.filter(({ block, to }) => to === this.homeOf(block)).length);
  }

  private takeHome(block: BlockNo): PageNo | null {
    return this.pool.allocator.take(this.homeOf(block)) ? this.homeOf(block) : null;
  }

  private takeSpot(block: BlockNo): PageNo | null {
    if (!this.isWanted(this.pageOf(block))) return null;
    const page = this.spots.pop();
    assert(page !== undefined && this.pool.allocator.take(page), `there is no spot for block ${block}`);
    return page;
  }

  private offerSpot(page: PageNo): void {
    if (this.spots.length < this.batchPages && !this.isWanted(page)) this.spots.push(page);
  }

  private isWanted(page: PageNo): boolean {
    return this.pageOf(this.wanterOf(page)) !== 0;
  }

  private homeOf(block: BlockNo): PageNo {
    return homePage(this.pool.geometry, block);
  }

  /** The block whose home `page` is; it may be none of the file's. */
  private wanterOf(page: PageNo): BlockNo {
    return page - this.firstDataPage;
  }

  /** The page of `block`; 0 for a hole and behind the file's end. */
  private pageOf(block: BlockNo): PageNo {
    return block < this.pool.blocks ? this.pool.index.get(block) : 0;
  }
}
