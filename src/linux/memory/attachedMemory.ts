/**
 * What both kinds of `Memory` have of a mapping. One instance a thread: its views
 * are its own, of the same bytes. The metadata is seen in windows: koffi.view above
 * 4 GiB aborts Node 20.
 */
import { assert } from "../../base/assert.js";
import { BitSet } from "../../base/bitset.js";
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE } from "../../base/fileFlags.js";
import { WINDOW_BYTES } from "../../base/ports.js";
import { type Address, type Errno, PAGE_BYTES, type PageNo, pagesToBytes } from "../../base/units.js";
import { MADV_POPULATE_READ } from "../syscall/constants.js";
import { errnoOf } from "../syscall/foreign.js";
import { fallocate } from "../syscall/libcData.js";
import { populate, viewMemory } from "../syscall/libcMemory.js";
import { faultedBytes, type MemoryMapping } from "./mapping.js";

export abstract class AttachedMemory {
  readonly pageCount: number;
  readonly baseAddress: Address;
  readonly durable: boolean;
  readonly grainPages: number;
  readonly canPunch: boolean;

  private readonly metadataBytes: number;
  private readonly windows: (Int32Array | undefined)[] = [];
  /**
   * Which pages this process has in its page tables, a bit each, shared by its threads. A reply is gathered by the
   * kernel from the pool's pages, and when the process is killed (SIGKILL) while one of them is faulted in, the kernel
   * ends the request with EIO (fuse_dev_do_write) instead of leaving it to the next server. So pages are faulted in
   * before, once; a punch takes them out again. What the kernel takes out by itself (swap, migration) is not seen:
   * there a kill may still be an EIO.
   */
  private readonly faulted: BitSet;
  /** Pages of a disk's file are taken out when memory is short: it is looked at each time. */
  private readonly staysFaulted: boolean;

  constructor(mapping: MemoryMapping) {
    const { backing } = mapping;
    this.pageCount = mapping.pageCount;
    this.baseAddress = mapping.baseAddress;
    this.durable = backing.durable;
    this.grainPages = backing.grainPages;
    this.canPunch = backing.canPunch;
    this.metadataBytes = pagesToBytes(mapping.metadataPages);
    const bits = viewMemory(mapping.faultedAddress, faultedBytes(mapping.pageCount));
    this.faulted = new BitSet(new Int32Array(bits));
    this.staysFaulted = backing.kind !== "file";
  }

  metadataWords(windowNo: number): Int32Array {
    return this.windows[windowNo] ?? this.openWindow(windowNo);
  }

  /** @returns an errno where a page is lost, or the machine has no memory for it */
  faultIn(firstPage: PageNo, pageCount: number): Errno {
    const end = firstPage + pageCount;
    const page = this.staysFaulted ? this.faulted.nextAbsent(firstPage, end) : firstPage;
    if (page === end) return 0;
    const errno = populate(this.baseAddress + page * PAGE_BYTES, (end - page) * PAGE_BYTES, MADV_POPULATE_READ);
    if (errno !== 0) return errno;
    for (let faulted = page; this.staysFaulted && faulted < end; faulted++) this.faulted.add(faulted);
    return 0;
  }

  /** Punches the pages out of `fd`, where they lie at `offset`; nobody may be using them. */
  protected punch(firstPage: PageNo, pageCount: number, fd: number, offset: number): Errno {
    this.faulted.deleteRun(firstPage, pageCount);
    return errnoOf(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, pageCount * PAGE_BYTES));
  }

  /** `populate` of whole pages around the bytes `[at, at + lengthBytes)` of the pool. */
  protected populateBytes(at: number, lengthBytes: number, advice: number): Errno {
    const inPage = at % PAGE_BYTES;
    return populate(this.baseAddress + at - inPage, inPage + lengthBytes, advice);
  }

  /** The last window ends with the metadata. */
  private openWindow(windowNo: number): Int32Array {
    const start = windowNo * WINDOW_BYTES;
    const lengthBytes = Math.min(WINDOW_BYTES, this.metadataBytes - start);
    assert(windowNo >= 0 && lengthBytes > 0, `metadata window ${windowNo} lies past the metadata`);
    const words = new Int32Array(viewMemory(this.baseAddress + start, lengthBytes));
    this.windows[windowNo] = words;
    return words;
  }
}
