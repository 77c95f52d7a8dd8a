/**
 * One thread's view of an open pool: claims of pages, and the file's size. The
 * data path needs no lock: entries change by atomic operations, and epochs keep
 * a page from being reused while a request can use it. The mutex guards only
 * limbo and the superblock.
 */
import { EAGAIN, EIO, ENOMEM, ENOSPC } from "../base/errno.js";
import type { BlockNo, Errno } from "../base/units.js";
import { DAMAGE } from "./damage.js";
import { Reclaiming } from "./reclaim.js";
import type { Run } from "./run.js";
import { CONTROL } from "./sharedState.js";
import { storeBlocks } from "./superblockStore.js";

/** How often a shortage waits for other threads: many seconds, which only a broken pool reaches. */
export const SHORTAGE_TRIES = 100_000;

export class Pool extends Reclaiming {
  /** Size of the file, in blocks. */
  get blocks(): number {
    return this.account.blocks;
  }

  get writesStopped(): boolean {
    return Atomics.load(this.control, CONTROL.writesStopped) !== 0 || this.failedErrno !== 0;
  }

  /** The first hole in `[from, end)`, or `end`. */
  nextHole(from: BlockNo, end: BlockNo): BlockNo {
    return this.index.nextHole(from, end);
  }

  /**
   * Finds the run at `block`: adjacent pages, or holes, up to `end` at most.
   * @returns 0, or EIO for an entry that names no data page, or one that is lost
   */
  lookUp(block: BlockNo, end: BlockNo, found: Run): Errno {
    const { index, geometry, damage } = this;
    const page = index.get(block);
    let next = block + 1;
    if (page === 0) {
      next = index.nextMapped(next, end);
    } else {
      if (!this.isSound(page)) {
        damage.note(DAMAGE.entry, block, page);
        return EIO;
      }
      const runEnd = Math.min(end, block + geometry.pageCount - page);
      next = index.endOfRun(next, runEnd, page + 1);
      if (damage.isFound) {
        const mappedEnd = next;
        next = block + 1;
        while (next < mappedEnd && this.isSound(page + (next - block))) next++;
      }
    }
    found.page = page;
    found.count = next - block;
    return 0;
  }

  /** While `short`, no page is claimed, so that a disk does not exhaust the machine's memory. */
  setMemoryShort(short: boolean): void {
    Atomics.store(this.control, CONTROL.memoryShort, short ? 1 : 0);
  }

  /**
   * Claims adjacent pages for the holes from `block` upward. After success the caller
   * publishes or abandons them, then calls `endClaim`. A shortage first drains limbo and
   * waits for requests that may abandon claimed pages, so that a pool as large as its
   * file is never short. Afterwards the caller must look up index entries again.
   * @returns ENOSPC; EAGAIN when there was no page but `block` is mapped: look it up again
   */
  claim(block: BlockNo, most: number, claimed: Run): Errno {
    // Its home page may be in limbo, of a discard that has its reply already.
    if (!this.memory.durable && !this.allocator.isHomeFree(block)) this.flushAndDrain();
    let errno = this.tryClaim(block, most, claimed);
    for (let tries = 0; errno === ENOSPC && tries < SHORTAGE_TRIES; tries++) {
      this.drainLimbo();
      const mark = this.quietMark();
      errno = this.tryClaim(block, most, claimed);
      if (errno !== ENOSPC) break;
      // Checked again after the entry is read, which may have been published or cleared in between.
      if (this.isShortFor(mark)) {
        const isMapped = this.index.get(block) !== 0;
        if (this.isShortFor(mark)) return isMapped ? EAGAIN : ENOSPC;
      }
      this.awaitTransit();
    }
    return errno;
  }

  /** The pages of the last `claim` are published or abandoned. */
  endClaim(): void {
    Atomics.sub(this.control, CONTROL.inTransit, 1);
  }

  /** The next epoch if no page is in transit or in limbo, else null. A page cannot get there without a new epoch. */
  quietMark(): number | null {
    const epoch = this.epochs.next();
    return Atomics.load(this.control, CONTROL.inTransit) === 0 && this.limbo.isEmpty() ? epoch : null;
  }

  /** True when a shortage seen since `mark` was taken is real, or waiting would not help. */
  isShortFor(mark: number | null): boolean {
    if (Atomics.load(this.control, CONTROL.memoryShort) !== 0 || this.failedErrno !== 0) return true;
    if (this.damage.isFound) return true;
    return mark !== null && mark === this.quietMark() && mark === this.epochs.next();
  }

  private tryClaim(block: BlockNo, most: number, claimed: Run): Errno {
    Atomics.add(this.control, CONTROL.inTransit, 1);
    const errno = this.claimAndHold(block, most, claimed);
    if (errno !== 0) this.endClaim();
    return errno;
  }

  private claimAndHold(block: BlockNo, most: number, claimed: Run): Errno {
    if (Atomics.load(this.control, CONTROL.memoryShort) !== 0) return ENOSPC;
    if (!this.allocator.claim(block, most, claimed)) return ENOSPC;
    const errno = this.hold(claimed);
    if (errno !== ENOSPC && errno !== ENOMEM) return errno;
    // There is no memory for another grain: use a page of a held one.
    return this.allocator.claimHeld(claimed) ? 0 : ENOSPC;
  }

  /**
   * Shrinks the file for all later requests, and waits until the earlier ones have
   * ended: after that no request maps a block past the new end.
   */
  shrinkTo(blocks: number): void {
    this.lock();
    this.account.setBlocks(blocks);
    const epoch = this.epochs.next();
    this.epochs.advance();
    this.awaitEpoch(epoch);
    this.unlock();
  }

  /** Puts the file's size on the media. No block past it may be mapped there. */
  resize(blocks: number): Errno {
    this.lock();
    try {
      return storeBlocks(this.memory, this.account, this.media, blocks);
    } finally {
      this.unlock();
    }
  }

  private hold({ page, count }: Run): Errno {
    const errno = this.allocator.holdGrains(page, count);
    if (errno === 0) return 0;
    // Not through limbo: there is no memory to release, and zeroing would allocate it.
    this.lock();
    this.account.pagesToLimbo(count);
    this.allocator.free(page, count);
    this.account.pagesFreed(count);
    this.unlock();
    return errno;
  }
}
