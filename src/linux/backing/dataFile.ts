/** The file `data` of a split pool in direct mode. */
import { EINTR } from "../../base/errno.js";
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE } from "../../base/fileFlags.js";
import type { DataFile } from "../../base/ports.js";
import { type ByteOffset, type Errno, PAGE_BYTES, SECTOR_BYTES } from "../../base/units.js";
import { F_SETLEASE, F_UNLCK, F_WRLCK } from "../syscall/constants.js";
import { errnoOf } from "../syscall/foreign.js";
import { fcntl, ftruncate } from "../syscall/libc.js";
import { fallocate, fstatx } from "../syscall/libcData.js";
import { statx } from "../syscall/structs.js";

/** One instance per thread, as each has its own statx buffer. */
export class LinuxDataFile implements DataFile {
  private readonly words = new Uint32Array(statx.sizeBytes / 4);
  private readonly bytes = new Uint8Array(this.words.buffer);

  constructor(private readonly fd: number) {}

  heldPages(): number {
    this.stat();
    return Math.ceil((this.i64(statx.word.stx_blocks) * SECTOR_BYTES) / PAGE_BYTES);
  }

  changedMs(): number {
    this.stat();
    return this.i64(statx.word.stx_mtime) * 1000 + Math.floor(this.words[statx.word.stx_mtime + 2] / 1_000_000);
  }

  lengthBytes(): number {
    this.stat();
    return this.i64(statx.word.stx_size);
  }

  setLength(lengthBytes: number): Errno {
    for (;;) {
      const result = ftruncate(this.fd, lengthBytes);
      if (result !== -EINTR) return errnoOf(result);
    }
  }

  punch(at: ByteOffset, lengthBytes: number): Errno {
    return errnoOf(fallocate(this.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, lengthBytes));
  }

  /**
   * True when another process may have it open for writing, such as the kernel for an open `disk`: a lease is
   * granted only to the sole writer (check_conflicting_open). SIGIO must not be fatal, as an open at this moment
   * breaks the lease.
   */
  isWrittenElsewhere(): boolean {
    const result = fcntl(this.fd, F_SETLEASE, F_WRLCK);
    if (result === 0) fcntl(this.fd, F_SETLEASE, F_UNLCK);
    // A file system without leases does not tell, so a writer is assumed.
    return result !== 0;
  }

  /** Cannot fail for an open file. */
  private stat(): void {
    fstatx(this.fd, this.bytes);
  }

  private i64(word: number): number {
    // Signed, as a time may be before 1970.
    return (this.words[word + 1] | 0) * 0x1_0000_0000 + this.words[word];
  }
}
