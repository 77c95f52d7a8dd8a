/**
 * Which data pages this process has in its page tables: a bit a page, shared by
 * its threads. A reply is gathered by the kernel from the pool's pages, and when
 * the process is killed (SIGKILL) while one of them is faulted in, the kernel ends
 * the request with EIO (fuse_dev_do_write) instead of leaving it to the next
 * server. So pages are faulted in before, once; a punch takes them out again. What the kernel
 * takes out by itself (swap, migration) is not seen: there a kill may still be an EIO.
 */
import { BitSet } from "../../base/bitset.js";
import { type Address, PAGE_BYTES, type PageNo } from "../../base/units.js";
import { MADV_POPULATE_READ } from "../syscall/constants.js";
import { populate, viewMemory } from "../syscall/libcMemory.js";
import { faultedBytes, type MemoryMapping } from "./mapping.js";

export class FaultedPages {
  /** Pages of a disk's file are taken out when memory is short: it is looked at each time. */
  private readonly isStable: boolean;
  private readonly faulted: BitSet;
  private readonly baseAddress: Address;

  constructor(mapping: MemoryMapping) {
    this.faulted = new BitSet(new Int32Array(viewMemory(mapping.faultedAddress, faultedBytes(mapping.pageCount))));
    this.baseAddress = mapping.baseAddress;
    this.isStable = mapping.backing.kind !== "file";
  }

  faultIn(firstPage: PageNo, pageCount: number): void {
    const end = firstPage + pageCount;
    const page = this.isStable ? this.faulted.nextAbsent(firstPage, end) : firstPage;
    if (page === end) return;
    // What cannot be read the writev will tell.
    populate(this.baseAddress + page * PAGE_BYTES, (end - page) * PAGE_BYTES, MADV_POPULATE_READ);
    for (let faulted = page; this.isStable && faulted < end; faulted++) this.faulted.add(faulted);
  }

  /** Before the pages are punched; nobody may be using them. */
  forget(firstPage: PageNo, pageCount: number): void {
    this.faulted.deleteRun(firstPage, pageCount);
  }
}
