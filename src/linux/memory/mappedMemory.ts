/**
 * Memory whose backing has no write(2): hugetlbfs and device DAX. Everything goes
 * through the mapping, after a call that returns an errno where a store would
 * raise SIGBUS.
 */
import { assert } from "../../base/assert.js";
import { EFAULT, EIO } from "../../base/errno.js";
import { FALLOC_FL_KEEP_SIZE } from "../../base/fileFlags.js";
import type { Memory } from "../../base/ports.js";
import { type Address, type ByteOffset, type Errno, PAGE_BYTES, type PageNo } from "../../base/units.js";
import { MADV_POPULATE_READ, MADV_POPULATE_WRITE } from "../syscall/constants.js";
import { errnoOf } from "../syscall/foreign.js";
import { fallocate, memcpy, memset } from "../syscall/libcData.js";
import { type Libpmem, libpmem } from "../syscall/libpmem.js";
import { AttachedMemory } from "./attachedMemory.js";
import type { MemoryMapping } from "./mapping.js";

export class MappedMemory extends AttachedMemory implements Memory {
  readonly needsPersist: boolean;

  private readonly fd: number;
  /** How bytes are stored: with libpmem if they must be on the media afterwards. */
  private readonly store: Pick<Libpmem, "memcpy" | "memset">;
  private readonly pmem: Libpmem | null;

  /** @param pmem writes the CPU's caches back; a fake in tests */
  constructor(mapping: MemoryMapping, pmem: Libpmem | null = mapping.backing.durable ? libpmem() : null) {
    super(mapping);
    this.fd = mapping.backing.dataFd;
    this.pmem = pmem;
    assert(this.durable === (this.pmem !== null), "a pool is called durable and libpmem is not there");
    this.needsPersist = this.durable;
    this.store = this.pmem ?? { memcpy, memset };
  }

  /** hugetlbfs_fallocate rounds outwards to whole huge pages and leaves those that are there; a device holds all. */
  populate(firstPage: PageNo, pageCount: number): Errno {
    if (!this.canPunch) return 0;
    return errnoOf(fallocate(this.fd, FALLOC_FL_KEEP_SIZE, firstPage * PAGE_BYTES, pageCount * PAGE_BYTES));
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
      this.zeroPages(firstPage, firstGrain) ||
      this.punch(firstGrain, endGrain - firstGrain, this.fd, firstGrain * PAGE_BYTES) ||
      this.zeroPages(endGrain, endPage)
    );
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

  /** A source in the pool itself may be lost: it must not be copied as what the fault handler puts there. */
  private guardSource(source: Address, lengthBytes: number): Errno {
    const at = source - this.baseAddress;
    if (lengthBytes === 0 || at < 0 || at >= this.pageCount * PAGE_BYTES) return 0;
    const errno = this.populateBytes(at, lengthBytes, MADV_POPULATE_READ);
    // As of a write(2) from there.
    return errno === EIO ? EFAULT : errno;
  }

  /** No huge page left and a poisoned page are errnos here (MADV_POPULATE_WRITE in madvise(2)). */
  private guard(at: ByteOffset, lengthBytes: number): Errno {
    return this.populateBytes(at, lengthBytes, MADV_POPULATE_WRITE);
  }
}
