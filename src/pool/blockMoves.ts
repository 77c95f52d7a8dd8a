/**
 * Moves blocks to other pages, a batch at a time. After a crash at any point every
 * entry names a page with the block's whole content, and no two name the same page:
 * copy, sync, store the entries, sync; only then are the old pages freed.
 * The caller must be the pool's only user.
 */
import { assert } from "../base/assert.js";
import { asShortage, ENOSPC, errnoName } from "../base/errno.js";
import { must, UserError } from "../base/errors.js";
import { type BlockNo, type Errno, PAGE_BYTES, type PageNo } from "../base/units.js";
import type { Pool } from "./pool.js";

/** There is no memory for the copies. Nothing was moved; a smaller batch may fit. */
export class ShortOfMemory extends UserError {}

export class MoveBatch {
  count = 0;
  readonly blocks: Uint32Array;
  readonly from: Uint32Array;
  readonly to: Uint32Array;

  constructor(
    private readonly pool: Pool,
    readonly capacity: number,
  ) {
    this.blocks = new Uint32Array(capacity);
    this.from = new Uint32Array(capacity);
    this.to = new Uint32Array(capacity);
  }

  /** Adds the move of `block` from its page `from` to `to`, which is taken for it. A batch has each block once. */
  add(block: BlockNo, from: PageNo, to: PageNo): void {
    assert(this.count < this.capacity, "a move more than a batch has room for");
    this.blocks[this.count] = block;
    this.from[this.count] = from;
    this.to[this.count] = to;
    this.count++;
  }

  /**
   * Makes all moves of the batch, which stay readable until `clear`.
   * @throws ShortOfMemory when nothing was moved
   * @throws UserError when the medium fails; the pool is consistent, but must not be closed as clean
   */
  commit(): void {
    const { memory, index } = this.pool;
    this.copy();
    must(memory.sync(), "the copies cannot be flushed");
    for (let i = 0; i < this.count; i++) {
      const replaced = index.replace(this.blocks[i], this.from[i], this.to[i]);
      assert(replaced, `block ${this.blocks[i]} is moved and has another page`);
      index.persist(this.blocks[i], this.blocks[i] + 1);
    }
    must(memory.sync(), "the index cannot be flushed");
    this.giveBack(this.from, this.count);
    this.free(this.from);
  }

  clear(): void {
    this.count = 0;
  }

  private copy(): void {
    const { memory, allocator } = this.pool;
    for (let done = 0; done < this.count; ) {
      const run = Math.min(this.runOf(this.from, done), this.runOf(this.to, done));
      const source = memory.baseAddress + this.from[done] * PAGE_BYTES;
      let errno = allocator.holdGrains(this.to[done], run);
      // Without a grain there is nothing to release.
      const made = errno === 0 ? done + run : done;
      errno ||= memory.fill(this.to[done], run, 0, source, run * PAGE_BYTES);
      if (errno !== 0) this.giveUp(made, errno);
      done += run;
    }
  }

  /** @throws ShortOfMemory, UserError always */
  private giveUp(made: number, errno: Errno): never {
    this.giveBack(this.to, made);
    this.free(this.to);
    const code = errnoName(errno);
    if (asShortage(errno) !== ENOSPC) {
      throw new UserError("pool", "a block cannot be copied", { code });
    }
    const cure = "free space where the pool is, or mount it and discard something (kmemfs trim)";
    throw new ShortOfMemory("pool", "not enough memory to copy a block; nothing is lost", { code, cure });
  }

  private giveBack(pages: Uint32Array, end: number): void {
    for (let done = 0; done < end; ) {
      const run = Math.min(this.runOf(pages, done), end - done);
      must(this.pool.memory.release(pages[done], run), "pages cannot be freed");
      done += run;
    }
  }

  private free(pages: Uint32Array): void {
    for (let done = 0; done < this.count; ) {
      const run = this.runOf(pages, done);
      this.pool.allocator.free(pages[done], run);
      done += run;
    }
  }

  /** The number of adjacent pages in `pages` from index `at` on. */
  private runOf(pages: Uint32Array, at: number): number {
    let run = 1;
    while (at + run < this.count && pages[at + run] === pages[at] + run) run++;
    return run;
  }
}
