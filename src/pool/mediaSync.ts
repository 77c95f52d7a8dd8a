/** Syncs a pool to the media for all threads, one at a time. A failure is permanent. */
import type { Memory } from "../base/ports.js";
import type { Errno } from "../base/units.js";
import { Mutex } from "./mutex.js";
import { failedErrno, noteFailed } from "./persistentState.js";
import { CONTROL } from "./sharedState.js";

export class MediaSync {
  private readonly mutex: Mutex;

  /**
   * @param control the words that CONTROL names, shared
   * @param lasting the words that PERSISTENT names
   */
  constructor(
    private readonly control: Int32Array,
    private readonly lasting: Int32Array,
    private readonly memory: Memory,
  ) {
    this.mutex = new Mutex(control, CONTROL.syncMutex);
  }

  /** The errno of a sync that failed, or 0. */
  get failedErrno(): Errno {
    return failedErrno(this.lasting);
  }

  /**
   * Puts everything on the media. The kernel reports a failure once and marks the
   * lost pages clean (errseq_check_and_advance), so the failure is permanent:
   * writes stop, nothing leaves limbo, every flush fails.
   */
  sync(): Errno {
    const begun = Atomics.load(this.control, CONTROL.syncsBegun);
    // One at a time: of two concurrent syncs the kernel would report a failure to only one.
    this.mutex.lock();
    let errno = this.failedErrno;
    // A sync that began while this thread waited has covered its data too.
    if (errno === 0 && begun === Atomics.load(this.control, CONTROL.syncsBegun)) {
      Atomics.add(this.control, CONTROL.syncsBegun, 1);
      errno = this.memory.sync();
      if (errno !== 0) noteFailed(this.lasting, errno);
    }
    this.mutex.unlock();
    return errno;
  }
}
