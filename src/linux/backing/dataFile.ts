/** The file `data` of a split pool in direct mode. */
import { EINTR } from "../../base/errno.js";
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE } from "../../base/fileFlags.js";
import type { DataFile } from "../../base/ports.js";
import { type ByteOffset, type Errno, PAGE_BYTES, SECTOR_BYTES } from "../../base/units.js";
import { F_SETLEASE, F_UNLCK, F_WRLCK } from "../syscall/constants.js";
import { errnoOf, fallocate, fcntl, fstatx, ftruncate } from "../syscall/libc.js";

/** struct statx, in doubles and 32-bit words: stx_size, stx_blocks, stx_mtime (statx(2)). */
const STATX_BYTES = 256;
const SIZE_WORD = 40 / 4;
const BLOCKS_WORD = 48 / 4;
const MTIME_WORD = 112 / 4;

/** One instance per thread, as each has its own statx buffer. */
export class LinuxDataFile implements DataFile {
  private readonly words = new Uint32Array(STATX_BYTES / 4);
  private readonly bytes = new Uint8Array(this.words.buffer);

  constructor(private readonly fd: number) {}

  heldPages(): number {
    this.stat();
    return Math.ceil((this.i64(BLOCKS_WORD) * SECTOR_BYTES) / PAGE_BYTES);
  }

  changedMs(): number {
    this.stat();
    return this.i64(MTIME_WORD) * 1000 + Math.floor(this.words[MTIME_WORD + 2] / 1_000_000);
  }

  lengthBytes(): number {
    this.stat();
    return this.i64(SIZE_WORD);
  }

  setLength(lengthBytes: number): Errno {
    for (;;) {
      const result = ftruncate(this.fd, lengthBytes);
      if (result !== -EINTR) return errnoOf(result);
    }
  }

  punch(at: ByteOffset, lengthBytes: number): Errno {
    for (;;) {
      const result = fallocate(this.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, lengthBytes);
      if (result !== -EINTR) return errnoOf(result);
    }
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
