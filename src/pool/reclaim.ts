/**
 * Reclaims pages: entries are cleared, their pages go to limbo, and from there
 * they are freed. A thread inside an epoch must never wait for the mutex or for
 * the grace period, as two such threads would wait for each other. `lock` leaves
 * the epoch, so pages looked up before it must not be touched afterwards.
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
/** Runs that a request frees when it ends. */
const DRAIN_RUNS = 64;
/** Of a discard, that are freed after its reply: tens of microseconds. */
const LEFT_PAGES = 256;
/** How long a wait for the grace period sleeps between checks. */
const GRACE_POLL_MS = 0.05;

export interface PoolParts {
  readonly memory: Memory;
  readonly geometry: Geometry;
  readonly shared: PoolShared;
  /** PERSISTENT_WORDS words, shared with the holder. */
  readonly persistentWords: Int32Array;
  /** Number of this thread, unique and below MAX_THREADS. */
  readonly thread: number;
}

/** The base of `Pool`. `index` and `allocator` are for `pool` only. */
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

  /** True for a data page that the backing still has. */
  isSound(page: PageNo): boolean {
    return this.index.isDataPage(page) && this.damage.isSound(page);
  }

  /** Called before a request looks anything up. */
  enter(): void {
    this.inside = true;
    this.epochs.enter();
  }

  /** Called after a request's last use of a page. Frees pages that could not be freed while it was inside. */
  leave(): void {
    this.epochs.leave();
    this.inside = false;
    if (!this.memory.durable && !this.limbo.isEmpty()) this.tryDrain();
  }

  /** Between the steps of a long request: lets limbo drain. Pages looked up before must not be touched. */
  yieldEpoch(): void {
    if (this.inside) this.epochs.enter();
  }

  /** Sends pages to limbo that were claimed and never published, or that no entry names any more. */
  abandon(page: PageNo, count: number): void {
    this.lock();
    if (this.limbo.room === 0) this.makeRoom();
    // Without room (a failing medium) the pages stay claimed until the next probe, which is harmless.
    if (this.limbo.room > 0) this.limbo.add(page, count, this.epochs.next());
    this.epochs.advance();
    if (!this.memory.durable) this.limbo.drain();
    this.unlock();
  }

  /**
   * Makes the blocks `[from, end)` holes and sends their pages to limbo,
   * in slices, so that other threads get the mutex.
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
      block = this.index.nextPresent(block, end);
      // What is little is freed by `leave`, while the caller has its reply and prepares its next request.
      const isLeft = this.inside && block === end && unmapped <= LEFT_PAGES && this.limbo.length <= DRAIN_RUNS;
      if (!this.memory.durable && !isLeft) this.limbo.drain();
      if (this.limbo.room <= ENTRIES_PER_PAGE) this.makeRoom();
      const stuck = this.limbo.room <= ENTRIES_PER_PAGE || this.damage.isFound;
      this.unlock();
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
      // Looked at first: an exchange dirties the cache line and the page even when nothing changes.
      const seen = this.index.peek(block);
      if (seen === 0) continue;
      // A damaged entry names no data page: it stays for check to find.
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

  /** Returns 0 when everything stored before is on the media; after a failure never again. */
  flush(): Errno {
    return this.memory.durable ? this.syncCleared() : 0;
  }

  /** As `flush`, but cleared entries do not leave limbo. Stays inside the epoch. */
  syncData(): Errno {
    return this.memory.durable ? this.media.sync() : 0;
  }

  /**
   * Puts everything on the media, cleared entries too, so that their pages may
   * leave limbo. Outside the epoch: a sync may take seconds.
   */
  private syncCleared(): Errno {
    // Requests of other threads that changed an entry and have not persisted it yet end first.
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

  /** Drains limbo as far as it can be now; a durable pool's cleared entries are synced first. */
  flushAndDrain(): Errno {
    if (this.limbo.isEmpty()) return 0;
    const errno = this.memory.durable ? this.syncCleared() : 0;
    if (errno !== 0) return errno;
    this.lock();
    this.limbo.drain();
    this.unlock();
    return 0;
  }

  /** Waits until everything in limbo is free; called before ENOSPC is returned. */
  drainLimbo(): void {
    if (this.limbo.isEmpty()) return;
    this.lock();
    this.makeRoom();
    this.unlock();
  }

  /** After all other threads have ended: forgets the requests that they did not finish. */
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

  /** Sleeps, as a thread with pages in transit may need this CPU or the mutex, then waits for the requests that run. */
  awaitTransit(): void {
    if (this.inside) this.epochs.leave();
    Atomics.wait(this.control, CONTROL.pause, 0, GRACE_POLL_MS);
    this.awaitOthers();
  }

  /** Waits until every request that runs now has ended, without the mutex, which they may need. */
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
