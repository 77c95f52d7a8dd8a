/**
 * Memory whose backing has no write(2): hugetlbfs and device DAX. Everything goes
 * through the mapping, after a call that returns an errno where a store would
 * raise SIGBUS.
 */
import { assert } from "../../base/assert.js";
import { EAGAIN, EFAULT, EINTR, EINVAL, EIO } from "../../base/errno.js";
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE } from "../../base/fileFlags.js";
import type { Memory } from "../../base/ports.js";
import { type Address, type ByteOffset, type Errno, PAGE_BYTES, type PageNo } from "../../base/units.js";
import { EHWPOISON, MADV_POPULATE_READ, MADV_POPULATE_WRITE } from "../syscall/constants.js";
import { errnoOf, fallocate, memcpy, memset } from "../syscall/libc.js";
import { madvise } from "../syscall/libcMemory.js";
import { type Libpmem, libpmem } from "../syscall/libpmem.js";
import { FaultedPages } from "./faultedPages.js";
import type { MemoryMapping } from "./mapping.js";
import { MetadataWindows } from "./metadataWindows.js";

export class MappedMemory implements Memory {
  readonly pageCount: number;
  readonly baseAddress: Address;
  readonly durable: boolean;
  readonly needsPersist: boolean;
  readonly grainPages: number;
  readonly canPunch: boolean;

  private readonly windows: MetadataWindows;
  private readonly faulted: FaultedPages;
  private readonly fd: number;
  /** How bytes are stored: with libpmem if they must be on the media afterwards. */
  private readonly store: Pick<Libpmem, "memcpy" | "memset">;
  private readonly pmem: Libpmem | null;

  /** @param pmem writes the CPU's caches back; a fake in tests */
  constructor(mapping: MemoryMapping, pmem: Libpmem | null = mapping.backing.durable ? libpmem() : null) {
    const { backing } = mapping;
    this.pageCount = mapping.pageCount;
    this.baseAddress = mapping.baseAddress;
    this.durable = backing.durable;
    this.grainPages = backing.grainPages;
    this.canPunch = backing.canPunch;
    this.windows = new MetadataWindows(mapping);
    this.faulted = new FaultedPages(mapping);
    this.fd = backing.dataFd;
    this.pmem = pmem;
    assert(backing.durable === (this.pmem !== null), "a pool is called durable and libpmem is not there");
    this.needsPersist = backing.durable;
    this.store = this.pmem ?? { memcpy, memset };
  }

  metadataWords(windowNo: number): Int32Array {
    return this.windows.words(windowNo);
  }

  /** hugetlbfs_fallocate rounds outwards to whole huge pages and leaves those that are there; a device holds all. */
  populate(firstPage: PageNo, pageCount: number): Errno {
    if (!this.canPunch) return 0;
    for (;;) {
      const result = fallocate(this.fd, FALLOC_FL_KEEP_SIZE, firstPage * PAGE_BYTES, pageCount * PAGE_BYTES);
      if (result !== -EINTR) return errnoOf(result);
    }
  }

  fill(firstPage: PageNo, pageCount: number, headBytes: number, source: Address, lengthBytes: number): Errno {
    const at = firstPage * PAGE_BYTES;
    const totalBytes = pageCount * PAGE_BYTES;
    const errno =
      this.guardSource(source, lengthBytes) || this.populate(firstPage, pageCount) || this.guard(at, totalBytes);
    if (errno !== 0) return errno;
    const address = this.baseAddress + at;
    const tailBytes = totalBytes - headBytes - lengthBytes;
    if (headBytes > 0) this.store.memset(address, 0, headBytes);
    if (lengthBytes > 0) this.store.memcpy(address + headBytes, source, lengthBytes);
    if (tailBytes > 0) this.store.memset(address + headBytes + lengthBytes, 0, tailBytes);
    return 0;
  }

  write(at: ByteOffset, source: Address, lengthBytes: number): Errno {
    const errno = this.guard(at, lengthBytes);
    if (errno === 0) this.store.memcpy(this.baseAddress + at, source, lengthBytes);
    return errno;
  }

  zero(at: ByteOffset, lengthBytes: number): Errno {
    const errno = this.guard(at, lengthBytes);
    if (errno === 0) this.store.memset(this.baseAddress + at, 0, lengthBytes);
    return errno;
  }

  /** Punches the whole grains of the range and zeroes its pages in partial grains. */
  release(firstPage: PageNo, pageCount: number): Errno {
    const endPage = firstPage + pageCount;
    const firstGrain = Math.ceil(firstPage / this.grainPages) * this.grainPages;
    const endGrain = Math.floor(endPage / this.grainPages) * this.grainPages;
    if (!this.canPunch || firstGrain >= endGrain) return this.zeroPages(firstPage, endPage);
    return (
      this.zeroPages(firstPage, firstGrain) || this.punch(firstGrain, endGrain) || this.zeroPages(endGrain, endPage)
    );
  }

  faultIn(firstPage: PageNo, pageCount: number): void {
    this.faulted.faultIn(firstPage, pageCount);
  }

  persist(at: ByteOffset, lengthBytes: number): void {
    this.pmem?.persist(this.baseAddress + at, lengthBytes);
  }

  /** hugetlbfs is volatile. Device DAX has no fsync or msync: stores there are written back at once. */
  sync(): Errno {
    return 0;
  }

  /** Neither has SEEK_DATA: everything counts as held, which mapBacking has ensured for the metadata. */
  nextHeld(fromPage: PageNo, endPage: PageNo): PageNo {
    return Math.min(fromPage, endPage);
  }

  nextUnheld(_fromPage: PageNo, endPage: PageNo): PageNo {
    return endPage;
  }

  private zeroPages(firstPage: PageNo, endPage: PageNo): Errno {
    return firstPage < endPage ? this.zero(firstPage * PAGE_BYTES, (endPage - firstPage) * PAGE_BYTES) : 0;
  }

  private punch(firstPage: PageNo, endPage: PageNo): Errno {
    const mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    this.faulted.forget(firstPage, endPage - firstPage);
    for (;;) {
      const result = fallocate(this.fd, mode, firstPage * PAGE_BYTES, (endPage - firstPage) * PAGE_BYTES);
      if (result !== -EINTR) return errnoOf(result);
    }
  }

  /** A source in the pool may be lost memory: the page that the fault handler maps there must not be copied. */
  private guardSource(source: Address, lengthBytes: number): Errno {
    const at = source - this.baseAddress;
    if (lengthBytes === 0 || at < 0 || at >= this.pageCount * PAGE_BYTES) return 0;
    const errno = this.populateRange(at, lengthBytes, MADV_POPULATE_READ);
    // As of a write(2) from there.
    return errno === EIO ? EFAULT : errno;
  }

  private guard(at: ByteOffset, lengthBytes: number): Errno {
    return this.populateRange(at, lengthBytes, MADV_POPULATE_WRITE);
  }

  /** Faults the range in: a missing huge page or a poisoned page is an errno here (MADV_POPULATE_WRITE, madvise(2)). */
  private populateRange(at: ByteOffset, lengthBytes: number, advice: number): Errno {
    const inPage = at % PAGE_BYTES;
    for (;;) {
      const result = madvise(this.baseAddress + at - inPage, inPage + lengthBytes, advice);
      if (result === -EINTR || result === -EAGAIN) continue;
      // EINVAL: a kernel before 5.14, or a device mapping that it does not support.
      if (result === 0 || result === -EINVAL) return 0;
      return result === -EFAULT || result === -EHWPOISON ? EIO : -result;
    }
  }
}
