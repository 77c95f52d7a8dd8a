/**
 * Memory whose backing takes write(2): tmpfs, memfd, regular files, DAX file
 * systems. Fresh pages are never written through the mapping: pwritev allocates and
 * defines them in one call and returns an errno, where a store would raise SIGBUS.
 *
 * One instance per thread: its iovecs are native memory allocated at start, so that
 * the methods allocate no JavaScript objects.
 */
import { EAGAIN, EFAULT, EINTR, EINVAL, EIO } from "../../base/errno.js";
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE } from "../../base/fileFlags.js";
import { IovecList } from "../../base/iovec.js";
import type { Memory } from "../../base/ports.js";
import { type Address, type ByteOffset, type Errno, PAGE_BYTES, type PageNo } from "../../base/units.js";
import { allocateBuffer } from "../syscall/buffers.js";
import { MADV_POPULATE_WRITE } from "../syscall/constants.js";
import { errnoOf, fallocate, fdatasync, memcpy, pwrite, pwritev } from "../syscall/libc.js";
import { madvise } from "../syscall/libcMemory.js";
import { ZERO_BYTES, zeros } from "../syscall/zeros.js";
import { FaultedPages } from "./faultedPages.js";
import type { MemoryMapping } from "./mapping.js";
import { MetadataWindows } from "./metadataWindows.js";
import { PageFile } from "./pageFile.js";

/**
 * From this length on data is copied through the mapping: to mapped pages that is
 * faster than pwrite, which holds the inode's lock (with two threads 95 against
 * 185 µs for 1 MiB on a memfd). To unmapped pages it is slower (at 4 KiB 2.2 against
 * 1.1 µs). The threshold between the two lengths is a guess.
 */
const MAPPED_WRITE_BYTES = 32 * 1024;

export class FileMemory implements Memory {
  readonly pageCount: number;
  readonly baseAddress: Address;
  readonly durable: boolean;
  readonly needsPersist = false;
  readonly grainPages = 1;
  readonly canPunch = true;

  private readonly windows: MetadataWindows;
  private readonly faulted: FaultedPages;
  private readonly file: PageFile;
  private readonly metaFd: number;
  private readonly dataFd: number;
  /** tmpfs and memfd: no I/O errors, no copy on write; pages made by fallocate must be zeroed to count as data. */
  private readonly isShmem: boolean;
  private readonly iovecAddress: Address;
  private readonly iovecs: IovecList;

  constructor(mapping: MemoryMapping) {
    const { backing } = mapping;
    this.pageCount = mapping.pageCount;
    this.baseAddress = mapping.baseAddress;
    this.durable = backing.durable;
    this.windows = new MetadataWindows(mapping);
    this.faulted = new FaultedPages(mapping);
    this.file = new PageFile(mapping);
    this.metaFd = backing.metaFd;
    this.dataFd = backing.dataFd;
    this.isShmem = backing.kind === "tmpfs" || backing.kind === "memfd";
    const buffer = allocateBuffer(PAGE_BYTES);
    this.iovecAddress = buffer.address;
    this.iovecs = new IovecList(new Int32Array(buffer.bytes));
  }

  metadataWords(windowNo: number): Int32Array {
    return this.windows.words(windowNo);
  }

  populate(firstPage: PageNo, pageCount: number): Errno {
    const at = firstPage * PAGE_BYTES;
    const lengthBytes = pageCount * PAGE_BYTES;
    let result = 0;
    do {
      result = fallocate(this.file.fdOf(at), FALLOC_FL_KEEP_SIZE, this.file.offsetOf(at), lengthBytes);
    } while (result === -EINTR);
    if (result < 0) return -result;
    // SEEK_DATA passes over a page that shmem_fallocate made and nothing has touched (folio_seek_hole_data).
    return this.isShmem ? this.touch(this.baseAddress + at, lengthBytes) : 0;
  }

  fill(firstPage: PageNo, pageCount: number, headBytes: number, source: Address, lengthBytes: number): Errno {
    const at = firstPage * PAGE_BYTES;
    const totalBytes = pageCount * PAGE_BYTES;
    const errno = this.writeAround(at, totalBytes, headBytes, source, lengthBytes);
    // Pages of a failed fill are released: no entry will ever name them.
    if (errno !== 0) this.release(firstPage, pageCount);
    return errno;
  }

  write(at: ByteOffset, source: Address, lengthBytes: number): Errno {
    if (this.isShmem && lengthBytes >= MAPPED_WRITE_BYTES) {
      const inPage = at % PAGE_BYTES;
      if (this.touch(this.baseAddress + at - inPage, inPage + lengthBytes) === 0) {
        memcpy(this.baseAddress + at, source, lengthBytes);
        return 0;
      }
    }
    return this.writeAll(at, source, lengthBytes);
  }

  zero(at: ByteOffset, lengthBytes: number): Errno {
    for (let done = 0; done < lengthBytes; done += ZERO_BYTES) {
      const errno = this.writeAll(at + done, zeros(), Math.min(ZERO_BYTES, lengthBytes - done));
      if (errno !== 0) return errno;
    }
    return 0;
  }

  release(firstPage: PageNo, pageCount: number): Errno {
    const at = firstPage * PAGE_BYTES;
    const mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    this.faulted.forget(firstPage, pageCount);
    for (;;) {
      const result = fallocate(this.file.fdOf(at), mode, this.file.offsetOf(at), pageCount * PAGE_BYTES);
      if (result !== -EINTR) return errnoOf(result);
    }
  }

  faultIn(firstPage: PageNo, pageCount: number): void {
    this.faulted.faultIn(firstPage, pageCount);
  }

  persist(): void {}

  sync(): Errno {
    if (!this.durable) return 0;
    // Data first: an entry on the media must never name a page that is not there yet.
    const data = this.dataFd === this.metaFd ? 0 : fdatasync(this.dataFd);
    return data < 0 ? -data : errnoOf(fdatasync(this.metaFd));
  }

  nextHeld(fromPage: PageNo, endPage: PageNo): PageNo {
    return this.file.nextHeld(fromPage, endPage);
  }

  nextUnheld(fromPage: PageNo, endPage: PageNo): PageNo {
    return this.file.nextUnheld(fromPage, endPage);
  }

  /** Faults pages in for writing. EINVAL means a kernel before 5.14, where held pages are written directly. */
  private touch(address: Address, lengthBytes: number): Errno {
    for (;;) {
      const result = madvise(address, lengthBytes, MADV_POPULATE_WRITE);
      if (result === -EINTR || result === -EAGAIN) continue;
      if (result === 0 || result === -EINVAL) return 0;
      return result === -EFAULT ? EIO : -result;
    }
  }

  private writeAll(at: ByteOffset, source: Address, lengthBytes: number): Errno {
    const fd = this.file.fdOf(at);
    const offset = this.file.offsetOf(at);
    for (let done = 0; done < lengthBytes; ) {
      const result = pwrite(fd, source + done, lengthBytes - done, offset + done);
      if (result === -EINTR) continue;
      if (result <= 0) return result === 0 ? EIO : -result;
      done += result;
    }
    return 0;
  }

  /** Writes `headBytes` zeros, the source, and zeros up to `totalBytes`; continues a short write where it stopped. */
  private writeAround(
    at: ByteOffset,
    totalBytes: number,
    headBytes: number,
    source: Address,
    lengthBytes: number,
  ): Errno {
    const fd = this.file.fdOf(at);
    const offset = this.file.offsetOf(at);
    const dataEnd = headBytes + lengthBytes;
    for (let done = 0; done < totalBytes; ) {
      this.iovecs.clear();
      if (done < headBytes) this.iovecs.add(zeros(), Math.min(headBytes - done, ZERO_BYTES));
      let next = done + this.iovecs.lengthBytes;
      if (next >= headBytes && next < dataEnd) {
        this.iovecs.add(source + (next - headBytes), dataEnd - next);
        next = dataEnd;
      }
      if (next >= dataEnd && next < totalBytes) this.iovecs.add(zeros(), Math.min(totalBytes - next, ZERO_BYTES));
      const result = pwritev(fd, this.iovecAddress, this.iovecs.count, offset + done);
      if (result === -EINTR) continue;
      if (result <= 0) return result === 0 ? EIO : -result;
      done += result;
    }
    return 0;
  }
}
