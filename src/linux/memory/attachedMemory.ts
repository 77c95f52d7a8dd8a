/**
 * What both kinds of `Memory` have of a mapping. One instance a thread: its views
 * are its own, of the same bytes. The metadata is seen in windows: koffi.view above
 * 4 GiB aborts Node 20.
 */
import { assert } from "../../base/assert.js";
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE } from "../../base/fileFlags.js";
import { WINDOW_BYTES } from "../../base/ports.js";
import { type Address, type Errno, PAGE_BYTES, type PageNo, pagesToBytes } from "../../base/units.js";
import { errnoOf, fallocate } from "../syscall/libc.js";
import { populate, viewMemory } from "../syscall/libcMemory.js";
import { FaultedPages } from "./faultedPages.js";
import type { MemoryMapping } from "./mapping.js";

export abstract class AttachedMemory {
  readonly pageCount: number;
  readonly baseAddress: Address;
  readonly durable: boolean;
  readonly grainPages: number;
  readonly canPunch: boolean;

  private readonly metadataBytes: number;
  private readonly windows: (Int32Array | undefined)[] = [];
  private readonly faulted: FaultedPages;

  constructor(mapping: MemoryMapping) {
    const { backing } = mapping;
    this.pageCount = mapping.pageCount;
    this.baseAddress = mapping.baseAddress;
    this.durable = backing.durable;
    this.grainPages = backing.grainPages;
    this.canPunch = backing.canPunch;
    this.metadataBytes = pagesToBytes(mapping.metadataPages);
    this.faulted = new FaultedPages(mapping);
  }

  metadataWords(windowNo: number): Int32Array {
    return this.windows[windowNo] ?? this.openWindow(windowNo);
  }

  faultIn(firstPage: PageNo, pageCount: number): void {
    this.faulted.faultIn(firstPage, pageCount);
  }

  /** Punches the pages out of `fd`, where they lie at `offset`. */
  protected punch(firstPage: PageNo, pageCount: number, fd: number, offset: number): Errno {
    this.faulted.forget(firstPage, pageCount);
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
