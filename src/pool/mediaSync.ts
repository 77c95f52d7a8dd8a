/** Puts a pool on the media, for all threads: one at a time, and a failure stays. */
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
   * Puts everything on the media. After a failure the kernel takes the lost
   * pages for clean and tells nobody again (errseq_check_and_advance), so the
   * failure stays: writes stop, nothing leaves limbo, every flush fails.
   */
  sync(): Errno {
    const begun = Atomics.load(this.control, CONTROL.syncsBegun);
    // One at a time: of two, the kernel would tell only one, and the other would answer for what is lost.
    this.mutex.lock();
    let errno = this.failedErrno;
    // One that began while we waited has put all of ours there as well.
    if (errno === 0 && begun === Atomics.load(this.control, CONTROL.syncsBegun)) {
      Atomics.add(this.control, CONTROL.syncsBegun, 1);
      errno = this.memory.sync();
      if (errno !== 0) noteFailed(this.lasting, errno);
    }
    this.mutex.unlock();
    return errno;
  }
}
