/**
 * How pages come back: entries are cleared, their pages go to limbo, and from
 * there they are freed. And when this thread may wait for others: never on the
 * mutex, nor for the grace period, while it is inside an epoch, as two such
 * threads would wait for each other. `lock` leaves the epoch, so after it no
 * page looked up before may be touched.
 */
import { EIO } from "../base/errno.js";
import type { Memory } from "../base/ports.js";
import type { BlockNo, Errno, PageNo } from "../base/units.js";
import { Account } from "./account.js";
import { DAMAGE, Damage } from "./damage.js";
import { Epochs } from "./epochs.js";
import { ENTRIES_PER_PAGE, type Geometry } from "./geometry.js";
import { endOfIndexPage, IndexTable } from "./indexTable.js";
import { Limbo } from "./limbo.js";
import { MediaSync } from "./mediaSync.js";
import { Mutex } from "./mutex.js";
import { PageAllocator } from "./pageAllocator.js";
import { CONTROL, type PoolShared } from "./sharedState.js";

/** Blocks that a discard clears under the mutex at a time: 64 MiB. */
const SLICE_BLOCKS = 16384;
/** Runs that a request gives back in passing. */
const DRAIN_RUNS = 64;
/** How long a wait for the grace period sleeps between looks. */
const GRACE_POLL_MS = 0.05;

export interface PoolParts {
  readonly memory: Memory;
  readonly geometry: Geometry;
  readonly shared: PoolShared;
  /** PERSISTENT_WORDS words, shared with whoever reports them. */
  readonly persistentWords: Int32Array;
  /** Number of this thread, below MAX_THREADS; each thread its own. */
  readonly thread: number;
}

/** What `Pool` stands on. `index` and `allocator` are for this room alone. */
export abstract class Reclaiming {
  readonly memory: Memory;
  readonly geometry: Geometry;
  readonly account: Account;
  readonly index: IndexTable;
  readonly allocator: PageAllocator;
  readonly damage: Damage;
  protected readonly control: Int32Array;
  protected readonly media: MediaSync;
  protected readonly limbo: Limbo;
  protected readonly epochs: Epochs;
  private readonly mutex: Mutex;
  private inside = false;

  constructor({ memory, geometry, shared, persistentWords, thread }: PoolParts) {
    this.memory = memory;
    this.geometry = geometry;
    this.control = shared.control;
    this.account = new Account(persistentWords, geometry.dataPages);
    this.index = new IndexTable(memory, geometry, shared.present, this.account);
    this.allocator = new PageAllocator(shared, memory, geometry, this.index, this.account);
    this.damage = new Damage(persistentWords, shared.control);
    this.media = new MediaSync(shared.control, persistentWords, memory);
    this.epochs = new Epochs(shared.control, CONTROL.epochs, thread);
    this.limbo = new Limbo(memory, this.allocator, this.account, this.damage, this.media, this.epochs, shared);
    this.mutex = new Mutex(shared.control, CONTROL.mutex);
  }

  /** The errno that stopped writes for good, or 0. */
  get failedErrno(): Errno {
    return this.media.failedErrno;
  }

  /** True for a page that an entry may name, and that the backing still has. */
  isSound(page: PageNo): boolean {
    return this.index.isDataPage(page) && this.damage.isSound(page);
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
  yieldEpoch(): void {
    if (this.inside) this.epochs.enter();
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

  /** Everything stored before is on the media when this returns 0; after a failure it never does again. */
  flush(): Errno {
    return this.memory.durable ? this.syncCleared() : 0;
  }

  /** Everything stored before is on the media of a durable pool when this returns 0. In the epoch: nothing waits for it in a sync. */
  syncData(): Errno {
    return this.memory.durable ? this.media.sync() : 0;
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
    const errno = this.media.sync();
    if (errno === 0) {
      this.mutex.lock();
      this.limbo.markSynced(tail);
      this.mutex.unlock();
    }
    if (this.inside) this.epochs.enter();
    return errno;
  }

  /** Lets limbo go as far as it may now; a durable pool's cleared entries go to the media first. */
  flushAndDrain(): Errno {
    if (this.limbo.isEmpty()) return 0;
    const errno = this.memory.durable ? this.syncCleared() : 0;
    if (errno !== 0) return errno;
    this.lock();
    this.limbo.drain();
    this.unlock();
    return 0;
  }

  /** Waits until all that is in limbo now is free, before anyone is told ENOSPC. */
  drainLimbo(): void {
    if (this.limbo.isEmpty()) return;
    this.lock();
    this.makeRoom();
    this.unlock();
  }

  /** After all other threads have ended: what they left behind in mid-request no longer counts. */
  assumeSoleThread(): void {
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
      if (this.media.sync() !== 0) return;
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
  protected awaitEpoch(epoch: number): void {
    while (!this.epochs.hasPassed(epoch)) Atomics.wait(this.control, CONTROL.pause, 0, GRACE_POLL_MS);
  }

  protected lock(): void {
    if (this.inside) this.epochs.leave();
    this.mutex.lock();
  }

  protected unlock(): void {
    this.mutex.unlock();
    if (this.inside) this.epochs.enter();
  }
}
