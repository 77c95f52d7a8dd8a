/**
 * Memory in one array, with made-up addresses: what a crash left, to be opened
 * and looked at. A page that holds no memory is all zeros here, as a hole of a
 * file reads. Behind the pool lies a buffer for the data of requests.
 */
import type { DataFile, Memory } from "../../../src/base/ports.js";
import { type Address, type ByteOffset, type Errno, PAGE_BYTES, type PageNo } from "../../../src/base/units.js";

/** `file`: a pool file on a disk, behind the page cache. `store`: device DAX with write-back of cache lines. */
export type MediaKind = "file" | "store";

const BASE_ADDRESS = 0x7000_0000_0000;
const SOURCE_PAGES = 16;

export class PlainMemory implements Memory {
  readonly baseAddress: Address = BASE_ADDRESS;
  readonly durable = true;
  readonly grainPages = 1;
  readonly canPunch: boolean;
  readonly needsPersist: boolean;
  readonly bytes: Buffer;
  /** 1 for each page that holds memory. */
  readonly held: Uint8Array;
  /** Length of the file `data` of a split pool. */
  dataLengthBytes: number;
  private readonly words: Int32Array;

  constructor(
    readonly pageCount: number,
    /** Pages that are looked at as words; at least those of the geometry. */
    readonly metadataPages: number,
    readonly kind: MediaKind,
  ) {
    this.canPunch = kind === "file";
    this.needsPersist = kind === "store";
    this.bytes = Buffer.alloc((pageCount + SOURCE_PAGES) * PAGE_BYTES);
    this.held = new Uint8Array(pageCount);
    this.words = new Int32Array(this.bytes.buffer, this.bytes.byteOffset, (metadataPages * PAGE_BYTES) / 4);
    this.dataLengthBytes = (pageCount - metadataPages) * PAGE_BYTES;
    if (kind === "store") this.held.fill(1);
  }

  get sourceAddress(): Address {
    return BASE_ADDRESS + this.pageCount * PAGE_BYTES;
  }

  /** A page of zeros that nobody writes. */
  get zeroAddress(): Address {
    return this.sourceAddress + (SOURCE_PAGES - 1) * PAGE_BYTES;
  }

  get sourceBytes(): Buffer {
    return this.bytes.subarray(this.pageCount * PAGE_BYTES);
  }

  metadataWords(windowNo: number): Int32Array {
    if (windowNo !== 0) throw new Error(`window ${windowNo} of a small memory`);
    return this.words;
  }

  populate(firstPage: PageNo, pageCount: number): Errno {
    this.held.fill(1, firstPage, firstPage + pageCount);
    return 0;
  }

  fill(firstPage: PageNo, pageCount: number, headBytes: number, source: Address, lengthBytes: number): Errno {
    const at = firstPage * PAGE_BYTES;
    const dataEnd = at + headBytes + lengthBytes;
    this.held.fill(1, firstPage, firstPage + pageCount);
    this.bytes.fill(0, at, at + headBytes);
    this.copyIn(at + headBytes, source, lengthBytes);
    this.bytes.fill(0, dataEnd, at + pageCount * PAGE_BYTES);
    return 0;
  }

  write(at: ByteOffset, source: Address, lengthBytes: number): Errno {
    this.holdBytes(at, lengthBytes);
    this.copyIn(at, source, lengthBytes);
    return 0;
  }

  zero(at: ByteOffset, lengthBytes: number): Errno {
    this.holdBytes(at, lengthBytes);
    this.bytes.fill(0, at, at + lengthBytes);
    return 0;
  }

  release(firstPage: PageNo, pageCount: number): Errno {
    if (this.canPunch) this.held.fill(0, firstPage, firstPage + pageCount);
    this.bytes.fill(0, firstPage * PAGE_BYTES, (firstPage + pageCount) * PAGE_BYTES);
    return 0;
  }

  persist(_at: ByteOffset, _lengthBytes: number): void {}

  faultIn(): void {}

  sync(): Errno {
    return 0;
  }

  nextHeld(fromPage: PageNo, endPage: PageNo): PageNo {
    return this.next(fromPage, endPage, 1);
  }

  nextUnheld(fromPage: PageNo, endPage: PageNo): PageNo {
    return this.next(fromPage, endPage, 0);
  }

  private next(fromPage: PageNo, endPage: PageNo, held: number): PageNo {
    let page = fromPage;
    while (page < endPage && this.held[page] !== held) page++;
    return Math.min(page, endPage);
  }

  /** Changes the length of `data`, of which page 0 is `metadataPages`. */
  setDataLength(lengthBytes: number): void {
    // The page that the file ends in goes whole.
    const cutBytes = Math.ceil(this.dataLengthBytes / PAGE_BYTES) * PAGE_BYTES - lengthBytes;
    const isCut = lengthBytes < this.dataLengthBytes;
    if (isCut) PlainMemory.prototype.punchData.call(this, lengthBytes, cutBytes);
    this.dataLengthBytes = lengthBytes;
  }

  punchData(at: ByteOffset, lengthBytes: number): void {
    const from = this.metadataPages * PAGE_BYTES + at;
    const end = from + lengthBytes;
    const first = Math.ceil(from / PAGE_BYTES);
    const last = Math.floor(end / PAGE_BYTES);
    for (let page = Math.floor(from / PAGE_BYTES); page * PAGE_BYTES < end; page++) {
      const start = Math.max(from, page * PAGE_BYTES);
      const partEnd = Math.min(end, (page + 1) * PAGE_BYTES);
      if (page >= first && page < last) PlainMemory.prototype.release.call(this, page, 1);
      else if (this.held[page] === 1) this.bytes.fill(0, start, partEnd);
    }
  }

  private copyIn(at: ByteOffset, source: Address, lengthBytes: number): void {
    if (lengthBytes === 0) return;
    const from = source - BASE_ADDRESS;
    if (!(from >= 0 && from + lengthBytes <= this.bytes.length)) throw new Error(`address ${source} is not ours`);
    this.bytes.copyWithin(at, from, from + lengthBytes);
  }

  private holdBytes(at: ByteOffset, lengthBytes: number): void {
    if (!(at >= 0 && at + lengthBytes <= this.pageCount * PAGE_BYTES))
      throw new Error(`byte ${at} is outside the pool`);
    this.held.fill(1, Math.floor(at / PAGE_BYTES), Math.ceil((at + lengthBytes) / PAGE_BYTES));
  }
}

/** `data` of a split pool as direct mode asks for it. */
export function dataFileOf(memory: PlainMemory): DataFile {
  return {
    heldPages: () => {
      let pages = 0;
      for (let page = memory.metadataPages; page < memory.pageCount; page++) pages += memory.held[page] as number;
      return pages;
    },
    changedMs: () => 0,
    lengthBytes: () => memory.dataLengthBytes,
    setLength: (lengthBytes) => {
      memory.setDataLength(lengthBytes);
      return 0;
    },
    punch: (at, lengthBytes) => {
      memory.punchData(at, lengthBytes);
      return 0;
    },
  };
}
