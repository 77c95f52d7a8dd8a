/**
 * Limbo: runs of pages that no entry names any more but that must not be reused
 * yet. Clear, then limbo, then free: a run leaves when
 *   1. every request that could use its pages has ended (epochs), and
 *   2. in a durable pool, the cleared entries and the punch are on the media:
 *      otherwise a crash could show the page's old content in another block.
 * The memory is punched out of the backing before the page can be claimed.
 *
 * A ring of runs in shared memory; all methods but `isEmpty` require the pool's
 * mutex. Ring positions count up modulo 2^32.
 */
import { EIO } from "../base/errno.js";
import type { Memory } from "../base/ports.js";
import type { PageNo } from "../base/units.js";
import type { Account } from "./account.js";
import type { Damage } from "./damage.js";
import type { Epochs } from "./epochs.js";
import type { MediaSync } from "./mediaSync.js";
import type { PageAllocator } from "./pageAllocator.js";
import { CONTROL, LIMBO_RUNS, type PoolShared } from "./sharedState.js";

export class Limbo {
  private readonly control: Int32Array;
  private readonly runs: Int32Array;

  constructor(
    private readonly memory: Memory,
    private readonly allocator: PageAllocator,
    private readonly account: Account,
    private readonly damage: Damage,
    private readonly media: MediaSync,
    private readonly epochs: Epochs,
    shared: PoolShared,
  ) {
    this.control = shared.control;
    this.runs = shared.limboRuns;
  }

  isEmpty(): boolean {
    return Atomics.load(this.control, CONTROL.limboHead) === Atomics.load(this.control, CONTROL.limboTail);
  }

  /** The number of runs that still fit. */
  get room(): number {
    return LIMBO_RUNS - this.length;
  }

  /** The number of runs. */
  get length(): number {
    return (this.tail - this.head) >>> 0;
  }

  get tail(): number {
    return Atomics.load(this.control, CONTROL.limboTail) >>> 0;
  }

  private get head(): number {
    return Atomics.load(this.control, CONTROL.limboHead) >>> 0;
  }

  /**
   * Adds the pages `[firstPage, firstPage + count)`, whose entries are cleared.
   * `epoch` is the one that the caller opens after its last run. There must be room.
   */
  add(firstPage: PageNo, count: number, epoch: number): void {
    const tail = this.tail;
    this.account.pagesToLimbo(count);
    if (tail !== this.head && tail !== this.synced) {
      const last = slotOf(tail - 1);
      const lastEnd = (this.runs[last] >>> 0) + (this.runs[last + 1] >>> 0);
      if (lastEnd === firstPage && this.runs[last + 2] === epoch) {
        this.runs[last + 1] = (this.runs[last + 1] + count) | 0;
        return;
      }
    }
    const slot = slotOf(tail);
    this.runs[slot] = firstPage | 0;
    this.runs[slot + 1] = count | 0;
    this.runs[slot + 2] = epoch;
    Atomics.store(this.control, CONTROL.limboTail, (tail + 1) | 0);
  }

  /** Records that the cleared entries of all runs before ring position `tail` are on the media. */
  markSynced(tail: number): void {
    if (((tail - this.synced) | 0) > 0) Atomics.store(this.control, CONTROL.limboSynced, tail | 0);
  }

  /** The epoch of the newest run whose cleared entries are on the media; null for none. */
  newestEpoch(): number | null {
    const end = this.releasable;
    return end === this.head ? null : this.runs[slotOf(end - 1) + 2];
  }

  /** Frees at most `most` runs whose epoch has passed. @returns the number of pages freed */
  drain(most = LIMBO_RUNS): number {
    const first = this.head;
    const end = this.releasable;
    let at = first;
    let passed: number | null = null;
    while (at !== end && at - first < most) {
      const epoch = this.runs[slotOf(at) + 2];
      if (epoch !== passed && !this.epochs.hasPassed(epoch)) break;
      passed = epoch;
      if (!this.releaseRun(at)) break;
      at = (at + 1) >>> 0;
    }
    if (at === first) return 0;
    // In a durable pool the punches must be on the media before the pages are reused.
    if (this.memory.durable && this.media.sync() !== 0) return 0;
    let freed = 0;
    for (let run = first; run !== at; run = (run + 1) >>> 0) {
      const slot = slotOf(run);
      this.allocator.free(this.runs[slot] >>> 0, this.runs[slot + 1] >>> 0);
      freed += this.runs[slot + 1] >>> 0;
    }
    // Account first: a thread that finds limbo empty must also find the pages free, or it reports a false shortage.
    this.account.pagesFreed(freed);
    Atomics.store(this.control, CONTROL.limboHead, at | 0);
    return freed;
  }

  private get synced(): number {
    return Atomics.load(this.control, CONTROL.limboSynced) >>> 0;
  }

  private get releasable(): number {
    if (!this.memory.durable) return this.tail;
    // `synced` may be before `head` until the first sync after a drain.
    return ((this.synced - this.head) | 0) > 0 ? this.synced : this.head;
  }

  /** When punching fails the run is zeroed: only the memory is not given back. */
  private releaseRun(at: number): boolean {
    const slot = slotOf(at);
    const page = this.runs[slot] >>> 0;
    const count = this.runs[slot + 1] >>> 0;
    const errno = this.memory.release(page, count) && this.memory.zero(page * 4096, count * 4096);
    // After a shortage it is tried again; lost memory stays lost.
    if (errno === EIO) this.damage.noteLost(page);
    return errno === 0;
  }
}

function slotOf(position: number): number {
  return 3 * ((position >>> 0) % LIMBO_RUNS);
}
