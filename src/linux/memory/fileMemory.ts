/**
 * Memory whose backing takes write(2): tmpfs, memfd, regular files, DAX file
 * systems. Fresh pages are never written through the mapping: pwritev allocates and
 * defines them in one call and returns an errno, where a store would raise SIGBUS.
 *
 * One instance per thread: its iovecs are native memory allocated at start, so that
 * the methods allocate no JavaScript objects.
 */
import { EINTR, EIO, ENXIO } from "../../base/errno.js";
import { FALLOC_FL_KEEP_SIZE, SEEK_DATA, SEEK_HOLE } from "../../base/fileFlags.js";
import { IovecList } from "../../base/iovec.js";
import type { Memory } from "../../base/ports.js";
import {
  type Address,
  type ByteOffset,
  bytesToPagesCeil,
  bytesToPagesFloor,
  type Errno,
  PAGE_BYTES,
  type PageNo,
} from "../../base/units.js";
import { allocateBuffer, ZERO_BYTES, zeros } from "../syscall/buffers.js";
import { MADV_POPULATE_WRITE } from "../syscall/constants.js";
import { errnoOf } from "../syscall/foreign.js";
import { fallocate, fdatasync, lseek, memcpy, pwrite, pwritev } from "../syscall/libcData.js";
import { AttachedMemory } from "./attachedMemory.js";
import type { MemoryMapping } from "./mapping.js";

export class FileMemory extends AttachedMemory implements Memory {
  readonly needsPersist = false;

  private readonly metaFd: number;
  private readonly dataFd: number;
  /** Of a split pool: `[0, borderPage)` are pages of the metadata file, the rest of the data file from offset 0. */
  private readonly borderPage: PageNo;
  /** tmpfs and memfd: no I/O errors, no copy on write; holes that fallocate filled must be zeroed to count as data. */
  private readonly isShmem: boolean;
  /** Pages are overwritten through the mapping: pwrite holds the inode's lock, and costs 2 µs more a request. */
  private readonly isMappedWritten: boolean;
  private readonly iovecAddress: Address;
  private readonly iovecs: IovecList;

  constructor(mapping: MemoryMapping, isGuarded: boolean) {
    super(mapping);
    const { backing } = mapping;
    this.metaFd = backing.metaFd;
    this.dataFd = backing.dataFd;
    this.borderPage = backing.layout === "split" ? mapping.metadataPages : 0;
    this.isShmem = backing.kind === "tmpfs" || backing.kind === "memfd";
    this.isMappedWritten = this.isShmem && isGuarded;
    const buffer = allocateBuffer(PAGE_BYTES);
    this.iovecAddress = buffer.address;
    this.iovecs = new IovecList(new Int32Array(buffer.bytes));
  }

  populate(firstPage: PageNo, pageCount: number): Errno {
    const at = firstPage * PAGE_BYTES;
    const lengthBytes = pageCount * PAGE_BYTES;
    const result = fallocate(this.fdOf(at), FALLOC_FL_KEEP_SIZE, this.offsetOf(at), lengthBytes);
    if (result < 0) return -result;
    // SEEK_DATA passes over a page that shmem_fallocate made and nothing has touched (folio_seek_hole_data).
    return this.isShmem ? this.populateBytes(at, lengthBytes, MADV_POPULATE_WRITE) : 0;
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
    // Not one that no call has faulted in: where the machine has no memory for it, a store would look like a loss.
    if (!this.isMappedWritten || !this.isFaultedIn(at, lengthBytes)) return this.writeAll(at, source, lengthBytes);
    memcpy(this.baseAddress + at, source, lengthBytes);
    return 0;
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
    return this.punch(firstPage, pageCount, this.fdOf(at), this.offsetOf(at));
  }

  persist(): void {}

  sync(): Errno {
    if (!this.durable) return 0;
    // Data first: an entry on the media must never name a page that is not there yet.
    const data = this.dataFd === this.metaFd ? 0 : fdatasync(this.dataFd);
    return data < 0 ? -data : errnoOf(fdatasync(this.metaFd));
  }

  /** An errno counts as data: skip nothing unseen. */
  nextHeld(fromPage: PageNo, endPage: PageNo): PageNo {
    return this.seek(fromPage, endPage, SEEK_DATA);
  }

  nextUnheld(fromPage: PageNo, endPage: PageNo): PageNo {
    for (let page = fromPage; ; ) {
      const hole = this.seek(page, endPage, SEEK_HOLE);
      // Where blocks are smaller than a page, the rest of it may hold something: then it is no hole.
      if (hole >= endPage || this.nextHeld(hole, hole + 1) > hole) return hole;
      page = hole + 1;
    }
  }

  /** The file that holds byte `at` of the pool. */
  private fdOf(at: ByteOffset): number {
    return at < this.borderPage * PAGE_BYTES ? this.metaFd : this.dataFd;
  }

  /** Offset of byte `at` of the pool in that file. */
  private offsetOf(at: ByteOffset): number {
    const borderBytes = this.borderPage * PAGE_BYTES;
    return at < borderBytes ? at : at - borderBytes;
  }

  private writeAll(at: ByteOffset, source: Address, lengthBytes: number): Errno {
    const fd = this.fdOf(at);
    const offset = this.offsetOf(at);
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
    const fd = this.fdOf(at);
    const offset = this.offsetOf(at);
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

  /** Faults the pages of the bytes in. */
  private isFaultedIn(at: ByteOffset, lengthBytes: number): boolean {
    const first = bytesToPagesFloor(at);
    return this.faultIn(first, bytesToPagesCeil(at + lengthBytes) - first) === 0;
  }

  private seek(fromPage: PageNo, endPage: PageNo, whence: number): PageNo {
    if (fromPage >= endPage) return endPage;
    if (fromPage >= this.borderPage || endPage <= this.borderPage) return this.seekOne(fromPage, endPage, whence);
    const found = this.seekOne(fromPage, this.borderPage, whence);
    return found < this.borderPage ? found : this.seekOne(this.borderPage, endPage, whence);
  }

  /** `[fromPage, endPage)` lies in one file. A file system block may be smaller than a page. */
  private seekOne(fromPage: PageNo, endPage: PageNo, whence: number): PageNo {
    const at = fromPage * PAGE_BYTES;
    const firstPage = (at - this.offsetOf(at)) / PAGE_BYTES;
    const found = lseek(this.fdOf(at), this.offsetOf(at), whence);
    // ENXIO: nothing more until the end (lseek(2)); for both searches that is the end of the file.
    if (found === -ENXIO) return endPage;
    if (found < 0) return whence === SEEK_DATA ? fromPage : endPage;
    const page = firstPage + (whence === SEEK_DATA ? bytesToPagesFloor(found) : bytesToPagesCeil(found));
    return Math.min(Math.max(page, fromPage), endPage);
  }
}
