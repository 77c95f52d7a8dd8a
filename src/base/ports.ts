/**
 * The ports of the pure core: what pool, blockfile and fuse need from outside.
 * `linux/` implements them; tests implement them with plain arrays.
 */
import type { Address, ByteOffset, Errno, PageNo } from "./units.js";

/**
 * The memory of a pool, one address range: metadata pages first, data after.
 *
 * Page ranges are `[firstPage, firstPage + pageCount)` and lie inside the pool;
 * they never span the border between metadata and data. Methods return 0 or a
 * positive errno, never throw, and may be called from several threads at once:
 * the pool decides which thread may touch which page. Any of them may block in
 * the kernel, none waits for another thread.
 */
export interface Memory {
  readonly pageCount: number;
  /** Address of page 0; page p begins at `baseAddress + p * 4096`. */
  readonly baseAddress: Address;
  /** True when the pool survives power loss, so that order and flush matter. */
  readonly durable: boolean;
  /** True where stores stay in the CPU's caches until `persist` (DAX devices); false where `sync` finds them all. */
  readonly needsPersist: boolean;
  /** Pages that the backing holds and gives back together: 1, or 512 for 2 MiB pages. A power of two. */
  readonly grainPages: number;
  /** False where nothing can be punched (device DAX): `release` then only zeroes. */
  readonly canPunch: boolean;

  /**
   * The 32-bit words of the metadata pages of window `windowNo`, which covers
   * bytes `[windowNo * WINDOW_BYTES, …)` of the pool. Stable: the same array
   * each time. Touching a page that holds no memory allocates it.
   */
  metadataWords(windowNo: number): Int32Array;

  /** Makes sure that the range holds memory, zeros where it held none. ENOSPC, ENOMEM. */
  populate(firstPage: PageNo, pageCount: number): Errno;

  /**
   * Defines all bytes of fresh pages: `headBytes` zeros, then `lengthBytes`
   * from `sourceAddress`, then zeros to the end of the range. Allocates the
   * memory. ENOSPC, ENOMEM, EIO; after an error the content is undefined.
   */
  fill(firstPage: PageNo, pageCount: number, headBytes: number, sourceAddress: Address, lengthBytes: number): Errno;

  /** Copies to pages that hold memory. `at` is a byte offset in the pool. EIO. */
  write(at: ByteOffset, sourceAddress: Address, lengthBytes: number): Errno;

  /** Zeroes bytes of pages that hold memory. EIO. */
  zero(at: ByteOffset, lengthBytes: number): Errno;

  /**
   * Gives the memory of the range back; it reads as zeros afterwards.
   * Where `grainPages` > 1 the memory goes back only for whole grains; the rest is zeroed.
   */
  release(firstPage: PageNo, pageCount: number): Errno;

  /**
   * Returns when the bytes `[at, at + lengthBytes)`, stored by this thread through
   * `metadataWords`, are on the media. Does nothing where `needsPersist` is false.
   * Every other method persists the bytes that it changes.
   */
  persist(at: ByteOffset, lengthBytes: number): void;

  /**
   * Faults the range in for reading, so that a writev from it meets no page fault: when the process is
   * killed in one, the kernel answers the request with EIO. Cheap the second time.
   */
  faultIn(firstPage: PageNo, pageCount: number): void;

  /** Returns when everything stored before is on the media. Cheap where `durable` is false. EIO, ENOSPC. */
  sync(): Errno;

  /** First page in `[fromPage, endPage)` that holds memory (SEEK_DATA), or `endPage`. */
  nextHeld(fromPage: PageNo, endPage: PageNo): PageNo;

  /** First page in `[fromPage, endPage)` that holds none (SEEK_HOLE), or `endPage`. */
  nextUnheld(fromPage: PageNo, endPage: PageNo): PageNo;
}

/** Bytes of metadata that one `metadataWords` array covers. koffi.view aborts Node 20 above 4 GiB. */
export const WINDOW_BYTES = 1024 * 1024 * 1024;

/**
 * The file `data` of a split pool in direct mode, where the kernel reads and
 * writes it at any moment. Ranges are bytes of the file.
 */
export interface DataFile {
  /** Pages that hold memory now (st_blocks); a file system's own blocks may count too. */
  heldPages(): number;
  /** When its content last changed, ms since the epoch. */
  changedMs(): number;
  lengthBytes(): number;
  /** Truncates it, or extends it by a hole. EIO, EROFS. */
  setLength(lengthBytes: number): Errno;
  /** Gives the memory of the range back; parts of pages at its edges become zeros. */
  punch(at: ByteOffset, lengthBytes: number): Errno;
}

/** The faults on lost memory that this process has seen. `count` only grows, modulo 2^32. */
export interface FaultCounts {
  readonly count: number;
  readonly firstAddress: Address;
  readonly lastAddress: Address;
}

export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number;
}

export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
