/**
 * Moves blocks to other pages. Whenever it is cut off, every entry names a page
 * with the block's whole content, and no two the same page: copy, media, entries,
 * media; only then are the pages that were left free. Nobody else uses the pool
 * meanwhile.
 */
import { assert } from "../base/assert.js";
import { asShortage, ENOSPC, errnoName } from "../base/errno.js";
import { UserError } from "../base/errors.js";
import { type BlockNo, type Errno, PAGE_BYTES, type PageNo } from "../base/units.js";
import type { Pool } from "./pool.js";

/** There is no memory for the copies. Nothing was moved; fewer blocks at a time may have enough. */
export class ShortOfMemory extends UserError {}

export interface Move {
  readonly block: BlockNo;
  readonly from: PageNo;
  /** A page that is taken for it. */
  readonly to: PageNo;
}

/**
 * Moves blocks, each of them once.
 * @throws ShortOfMemory when nothing was done
 * @throws UserError when the medium fails; the pool is whole, but must not be closed as clean
 */
export function moveBlocks(pool: Pool, moves: readonly Move[]): void {
  const { memory, index, allocator } = pool;
  for (let done = 0; done < moves.length; ) {
    const { from, to } = moves[done];
    const run = runLength(moves, done);
    let errno = allocator.holdGrains(to, run);
    // Where there is not even a grain there is nothing to give back.
    const made = errno === 0 ? done + run : done;
    errno ||= memory.fill(to, run, 0, memory.baseAddress + from * PAGE_BYTES, run * PAGE_BYTES);
    if (errno !== 0) giveUp(pool, moves, made, errno);
    done += run;
  }
  must(memory.sync(), "the copies cannot be flushed");
  for (const { block, from, to } of moves) {
    assert(index.replace(block, from, to), `block ${block} is moved and has another page`);
    index.persist(block, block + 1);
  }
  must(memory.sync(), "the index cannot be flushed");
  leave(pool, moves, "from", moves.length);
}

/** @throws ShortOfMemory, UserError always */
function giveUp(pool: Pool, moves: readonly Move[], made: number, errno: Errno): never {
  leave(pool, moves, "to", made);
  if (asShortage(errno) !== ENOSPC) {
    throw new UserError("pool", "a block cannot be copied", { code: errnoName(errno) });
  }
  const cure = "free space where the pool is, or mount it and discard something (kmemfs trim)";
  throw new ShortOfMemory("pool", "not enough memory to copy a block; nothing is lost", {
    code: errnoName(errno),
    cure,
  });
}

/** Frees one side of all moves; that of the first `held` has memory to give back. */
function leave({ memory, allocator }: Pool, moves: readonly Move[], side: "from" | "to", held: number): void {
  for (let done = 0; done < held; done += runLength(moves, done)) {
    const run = Math.min(runLength(moves, done), held - done);
    must(memory.release(moves[done][side], run), "pages cannot be freed");
  }
  for (const move of moves) allocator.free(move[side], 1);
}

/** How many moves, from number `at` on, are of adjacent pages to adjacent pages. */
function runLength(moves: readonly Move[], at: number): number {
  const { from, to } = moves[at];
  let run = 1;
  while (moves[at + run]?.from === from + run && moves[at + run]?.to === to + run) run++;
  return run;
}

/** @throws UserError for an errno */
function must(errno: Errno, reason: string): void {
  if (errno !== 0) throw new UserError("pool", reason, { code: errnoName(errno) });
}
