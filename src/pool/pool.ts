/**
 * One thread's view of an open pool. The data path needs no lock: entries
 * change by atomic operations, and epochs keep a page from being reused while
 * a request can know it. The mutex guards limbo and the superblock only.
 *
 * A thread never blocks on the mutex, nor waits for the grace period, while it
 * is inside an epoch: two such threads would wait for each other. `lock` leaves
 * the epoch, so after it no page looked up before may be touched.
 */
import { EAGAIN, EIO, ENOMEM, ENOSPC } from "../base/errno.js";
import { MediaError } from "../base/errors.js";
import type { Memory } from "../base/ports.js";
import type { BlockNo, Errno, PageNo } from "../base/units.js";
import { Account } from "./account.js";
import { DAMAGE, Damage } from "./damage.js";
import { Epochs } from "./epochs.js";
import { ENTRIES_PER_PAGE, type Geometry } from "./geometry.js";
import { endOfIndexPage, IndexTable } from "./indexTable.js";
import { LASTING } from "./lasting.js";
import { Limbo } from "./limbo.js";
import { Mutex } from "./mutex.js";
import { PageAllocator } from "./pageAllocator.js";
import { CONTROL, type PoolShared } from "./shared.js";
import { updateSuperblock } from "./superblockStore.js";

/** Blocks that a discard clears under the mutex at a time: 64 MiB. */
const SLICE_BLOCKS = 16384;
/** Runs that a request gives back in passing. */
const DRAIN_RUNS = 64;
/** How often a shortage waits for others: a bound of many seconds, which only a broken pool could reach. */
export const SHORTAGE_TRIES = 100_000;
/** How long a wait for the grace period sleeps between looks. */
const GRACE_POLL_MS = 0.05;

export interface PoolParts {
  readonly memory: Memory;
  readonly geometry: Geometry;
  readonly shared: PoolShared;
  /** LASTING_WORDS words, shared with whoever reports them. */
  readonly lastingWords: Int32Array;
  /** Number of this thread, below MAX_THREADS; each thread its own. */
  readonly thread: number;
}

export class Pool {
  readonly memory: Memory;
  readonly geometry: Geometry;
  readonly account: Account;
  readonly index: IndexTable;
  readonly allocator: PageAllocator;
  readonly damage: Damage;
  private readonly limbo: Limbo;
  private readonly epochs: Epochs;
  private readonly mutex: Mutex;
  private readonly control: Int32Array;
  private readonly lasting: Int32Array;
  private inside = false;

  constructor(parts: PoolParts) {
    const { memory, geometry, shared } = parts;
    this.memory = memory;
    this.geometry = geometry;
    this.control = shared.control;
    this.lasting = parts.lastingWords;
    this.account = new Account(parts.lastingWords, geometry.dataPages);
    this.index = new IndexTable(memory, geometry, shared.present, this.account);
    this.allocator = new PageAllocator(shared, memory, geometry, this.index, this.account);
    this.epochs = new Epochs(shared.control, CONTROL.epochs, parts.thread);
    this.limbo = new Limbo(shared, parts.lastingWords, memory, this.epochs, this.allocator, this.account);
    this.mutex = new Mutex(shared.control, CONTROL.mutex);
    this.damage = new Damage(parts.lastingWords, shared.control);
  }

  /** Size of the file, in blocks. */
  get blocks(): number {
    return this.account.blocks;
  }

  get writesStopped(): boolean {
    return Atomics.load(this.control, CONTROL.writesStopped) !== 0 || this.failedErrno !== 0;
  }

  /** The errno that stopped writes for good, or 0. */
  get failedErrno(): Errno {
    return Atomics.load(this.lasting, LASTING.failedErrno);
  }

  /** True for a page that an entry may name, and that the backing still has. */
  isSound(page: PageNo): boolean {
    if (!this.index.isDataPage(page)) return false;
    return !this.damage.isFound || (page < this.damage.soundEnd && !this.damage.isLost(page));
  }

  /** While `short`, no page is claimed: the machine needs its memory more than a disk does. */
  setMemoryShort(short: boolean): void {
    Atomics.store(this.control, CONTROL.memoryShort, short ? 1 : 0);
  }

  /** Before a request looks anything up. */
  enter(): void {
    this.inside = true;
    this.epochs.enter();
  }

  /** After a request's last use of a page. Gives back what others could not, as we were in their way. */
  leave(): void {
    this.epochs.leave();
    this.inside = false;
    if (!this.memory.durable && !this.limbo.isEmpty()) this.tryDrain();
  }

  /** Between the steps of a long request: lets limbo go on. Whatever was looked up before is not to be touched. */
  breathe(): void {
    if (this.inside) this.epochs.enter();
  }

  /**
   * Claims pages for the holes from `block` upward; see `allocator.claimedFirst`
   * and `claimedCount`. After success the caller publishes them or gives them up,
   * and then calls `endClaim`. A shortage makes limbo drain first, and waits for
   * requests that may give up pages they have claimed: so a pool as large as its
   * file is never short.
   * Callers must look up again whatever they knew of the index.
   * @returns ENOSPC; EAGAIN when there was no page while `block` had one: for a hole, look again
   */
  claim(block: BlockNo, most: number): Errno {
    let errno = this.tryClaim(block, most);
    for (let tries = 0; errno === ENOSPC && tries < SHORTAGE_TRIES; tries++) {
      this.relieve();
      const mark = this.quietMark();
      errno = this.tryClaim(block, most);
      if (errno !== ENOSPC) break;
      // Asked again after the look at the entry: it may have been published or cleared meanwhile.
      if (this.isShortFor(mark)) {
        const isMapped = this.index.get(block) !== 0;
        if (this.isShortFor(mark)) return isMapped ? EAGAIN : ENOSPC;
      }
      this.awaitTransit();
    }
    return errno;
  }

  /** The pages of the last `claim` are published or given up. */
  endClaim(): void {
    Atomics.sub(this.control, CONTROL.inTransit, 1);
  }

  /** While no page is on its way from one use to another: the epoch, which opens anew before one is. Otherwise null. */
  quietMark(): number | null {
    const epoch = this.epochs.next();
    return Atomics.load(this.control, CONTROL.inTransit) === 0 && this.limbo.isEmpty() ? epoch : null;
  }

  /** True when a shortage that was seen since `mark` was taken is real, or no waiting would help. */
  isShortFor(mark: number | null): boolean {
    if (Atomics.load(this.control, CONTROL.memoryShort) !== 0 || this.failedErrno !== 0) return true;
    if (this.damage.isFound) return true;
    return mark !== null && mark === this.quietMark() && mark === this.epochs.next();
  }

  private tryClaim(block: BlockNo, most: number): Errno {
    Atomics.add(this.control, CONTROL.inTransit, 1);
    const errno = this.claimAndHold(block, most);
    if (errno !== 0) this.endClaim();
    return errno;
  }

  private claimAndHold(block: BlockNo, most: number): Errno {
    if (Atomics.load(this.control, CONTROL.memoryShort) !== 0) return ENOSPC;
    if (!this.allocator.claim(block, most)) return ENOSPC;
    const errno = this.holdClaimed();
    if (errno !== ENOSPC && errno !== ENOMEM) return errno;
    // No memory for another grain: a page of one that is held, if there is any.
    return this.allocator.claimHeld() ? 0 : ENOSPC;
  }

  /** Gives claimed pages up that were never published, or that no entry names any more. */
  abandon(page: PageNo, count: number): void {
    this.lock();
    if (this.limbo.room === 0) this.makeRoom();
    // Without room (a failing medium) the pages stay claimed: lost until the next probe, but to nobody's harm.
    if (this.limbo.room > 0) this.limbo.add(page, count, this.epochs.next());
    this.epochs.advance();
    if (!this.memory.durable) this.limbo.drain();
    this.unlock();
  }

  /**
   * Makes the blocks `[from, end)` holes and sends their pages to limbo.
   * In slices, so that others get their turn.
   * @returns pages that were mapped, or -EIO when limbo is full because the medium fails
   */
  unmap(from: BlockNo, end: BlockNo): number {
    Atomics.add(this.control, CONTROL.inTransit, 1);
    const pages = this.unmapSlices(from, end);
    Atomics.sub(this.control, CONTROL.inTransit, 1);
    return pages;
  }

  private unmapSlices(from: BlockNo, end: BlockNo): number {
    let unmapped = 0;
    let block = this.index.nextPresent(from, end);
    while (block < end) {
      const sliceEnd = Math.min(end, block + SLICE_BLOCKS);
      this.lock();
      while (block < sliceEnd && this.limbo.room > ENTRIES_PER_PAGE && !this.damage.isFound) {
        const pageEnd = Math.min(endOfIndexPage(block), sliceEnd);
        unmapped += this.unmapWithinIndexPage(block, pageEnd);
        block = this.index.nextPresent(pageEnd, sliceEnd);
      }
      this.epochs.advance();
      if (!this.memory.durable) this.limbo.drain();
      if (this.limbo.room <= ENTRIES_PER_PAGE) this.makeRoom();
      const stuck = this.limbo.room <= ENTRIES_PER_PAGE || this.damage.isFound;
      this.unlock();
      block = this.index.nextPresent(block, end);
      if (stuck && block < end) return -EIO;
    }
    return unmapped;
  }

  private unmapWithinIndexPage(from: BlockNo, end: BlockNo): number {
    const epoch = this.epochs.next();
    let unmapped = 0;
    let runFirst = 0;
    let runCount = 0;
    for (let block = from; block < end; block++) {
      const seen = this.index.get(block);
      if (seen === 0) continue;
      // A damaged entry names no page of ours: it stays for check to find.
      if (!this.isSound(seen)) {
        this.damage.note(DAMAGE.entry, block, seen);
        continue;
      }
      const page = this.index.clear(block);
      if (page === 0) continue;
      unmapped++;
      if (page === runFirst + runCount && runCount > 0) {
        runCount++;
      } else {
        if (runCount > 0) this.limbo.add(runFirst, runCount, epoch);
        runFirst = page;
        runCount = 1;
      }
    }
    if (runCount > 0) this.limbo.add(runFirst, runCount, epoch);
    this.index.persist(from, end);
    return unmapped;
  }

  /**
   * Makes the file smaller for all requests to come, and waits until those that
   * saw it larger are over: afterwards nobody maps a block behind the new end.
   */
  shrinkTo(blocks: number): void {
    this.lock();
    this.account.setBlocks(blocks);
    const epoch = this.epochs.next();
    this.epochs.advance();
    this.awaitEpoch(epoch);
    this.unlock();
  }

  /** Puts the file's size on the media. Nothing behind it may be mapped there. */
  resize(blocks: number): Errno {
    this.lock();
    try {
      const errno = updateSuperblock(this.memory, { blocks }, () => this.limbo.sync());
      if (errno === 0) this.account.setBlocks(blocks);
      return errno;
    } catch (error) {
      if (!(error instanceof MediaError)) throw error;
      return EIO;
    } finally {
      this.unlock();
    }
  }

  /** Everything stored before is on the media when this returns 0; after a failure it never does again. */
  flush(): Errno {
    return this.memory.durable ? this.syncCleared() : 0;
  }

  /**
   * Puts everything on the media, cleared entries too, so that their pages may
   * leave limbo. Outside the epoch: a sync may take seconds.
   */
  private syncCleared(): Errno {
    // Whose entry another thread has seen but not yet put on the media itself is over afterwards.
    if (this.memory.needsPersist) this.awaitOthers();
    if (this.inside) this.epochs.leave();
    this.mutex.lock();
    const tail = this.limbo.tail;
    this.mutex.unlock();
    const errno = this.limbo.sync();
    if (errno === 0) {
      this.mutex.lock();
      this.limbo.markSynced(tail);
      this.mutex.unlock();
    }
    if (this.inside) this.epochs.enter();
    return errno;
  }

  /** Everything stored before is on the media of a durable pool when this returns 0. In the epoch: nothing waits for it in a sync. */
  syncData(): Errno {
    return this.memory.durable ? this.limbo.sync() : 0;
  }

  /** Lets limbo go as far as it may now; a durable pool's cleared entries go to the media first. */
  settle(): Errno {
    if (this.limbo.isEmpty()) return 0;
    const errno = this.memory.durable ? this.syncCleared() : 0;
    if (errno !== 0) return errno;
    this.lock();
    this.limbo.drain();
    this.unlock();
    return 0;
  }

  /** Waits until all that is in limbo now is free, before anyone is told ENOSPC. */
  relieve(): void {
    if (this.limbo.isEmpty()) return;
    this.lock();
    this.makeRoom();
    this.unlock();
  }

  /** After all other threads have ended: what they left behind in mid-request no longer counts. */
  becomeSole(): void {
    this.epochs.forgetAll();
    Atomics.store(this.control, CONTROL.inTransit, 0);
  }

  private tryDrain(): void {
    if (!this.mutex.tryLock()) return;
    this.limbo.drain(DRAIN_RUNS);
    this.mutex.unlock();
  }

  /** Under the mutex: waits for the grace period and empties limbo. */
  private makeRoom(): void {
    if (this.memory.durable) {
      const tail = this.limbo.tail;
      if (this.limbo.sync() !== 0) return;
      this.limbo.markSynced(tail);
    }
    const epoch = this.limbo.newestEpoch();
    if (epoch === null) return;
    this.awaitEpoch(epoch);
    this.limbo.drain();
  }

  /** Lets others go on with the pages that they have in transit: asleep, as one of them may want this CPU or the mutex. */
  awaitTransit(): void {
    if (this.inside) this.epochs.leave();
    Atomics.wait(this.control, CONTROL.pause, 0, GRACE_POLL_MS);
    this.awaitOthers();
  }

  /** Waits until every request that runs now is over. Without the mutex: they may need it to end. */
  private awaitOthers(): void {
    this.lock();
    const epoch = this.epochs.next();
    this.epochs.advance();
    this.mutex.unlock();
    this.awaitEpoch(epoch);
    if (this.inside) this.epochs.enter();
  }

  /** Outside the epoch only. */
  private awaitEpoch(epoch: number): void {
    while (!this.epochs.hasPassed(epoch)) Atomics.wait(this.control, CONTROL.pause, 0, GRACE_POLL_MS);
  }

  private holdClaimed(): Errno {
    const { claimedFirst, claimedCount } = this.allocator;
    const errno = this.allocator.holdGrains(claimedFirst, claimedCount);
    if (errno === 0) return 0;
    // Not by way of limbo: there is no memory to give back, and zeroing it would need some.
    this.lock();
    this.account.pagesToLimbo(claimedCount);
    this.allocator.free(claimedFirst, claimedCount);
    this.account.pagesFreed(claimedCount);
    this.unlock();
    return errno;
  }

  private lock(): void {
    if (this.inside) this.epochs.leave();
    this.mutex.lock();
  }

  private unlock(): void {
    this.mutex.unlock();
    if (this.inside) this.epochs.enter();
  }
}
