/**
 * Which data pages are in this process's page tables: one bit per page, shared by its
 * threads. The kernel gathers a reply from the pool's pages; when the process is killed
 * (SIGKILL) while one of them is being faulted in, the kernel ends the request with EIO
 * (fuse_dev_do_write) instead of leaving it to the next server. So each page is faulted
 * in once beforehand; a punch unmaps it again. Pages that the kernel unmaps by itself
 * (swap, migration) are not tracked: there a kill can still cause an EIO.
 */
import { BitSet } from "../../base/bitset.js";
import { EAGAIN, EINTR } from "../../base/errno.js";
import { type Address, PAGE_BYTES, type PageNo } from "../../base/units.js";
import { MADV_POPULATE_READ } from "../syscall/constants.js";
import { madvise, viewMemory } from "../syscall/libcMemory.js";

/** The part of a mapping used here. */
export interface FaultableMapping {
  readonly backing: { readonly kind: string };
  readonly baseAddress: Address;
  readonly pageCount: number;
  readonly faultedAddress: Address;
}

export class FaultedPages {
  /** Pages of a file on a disk are reclaimed when memory is short, so they are checked each time. */
  private readonly isStable: boolean;
  private readonly faulted: BitSet;
  private readonly baseAddress: Address;

  constructor(mapping: FaultableMapping) {
    this.faulted = new BitSet(new Int32Array(viewMemory(mapping.faultedAddress, faultedBytes(mapping.pageCount))));
    this.baseAddress = mapping.baseAddress;
    this.isStable = mapping.backing.kind !== "file";
  }

  faultIn(firstPage: PageNo, pageCount: number): void {
    const end = firstPage + pageCount;
    const page = this.isStable ? this.faulted.nextAbsent(firstPage, end) : firstPage;
    if (page === end) return;
    // The writev will report a page that cannot be read.
    for (;;) {
      const result = madvise(this.baseAddress + page * PAGE_BYTES, (end - page) * PAGE_BYTES, MADV_POPULATE_READ);
      if (result === -EINTR || result === -EAGAIN) continue;
      break;
    }
    for (let faulted = page; this.isStable && faulted < end; faulted++) this.faulted.add(faulted);
  }

  /** Called before the pages are punched, when no request uses them. */
  forget(firstPage: PageNo, pageCount: number): void {
    this.faulted.deleteRun(firstPage, pageCount);
  }
}

/** Bytes of the bits of `pageCount` pages. */
export function faultedBytes(pageCount: number): number {
  return 4 * BitSet.wordsFor(pageCount);
}
