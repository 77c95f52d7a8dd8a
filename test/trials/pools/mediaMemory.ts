/**
 * `Memory` and `DataFile` on the media of a trial. Whoever asks for pages
 * outside the pool, for ranges over the border of metadata and data, for
 * addresses that are nobody's, or changes what was opened for reading, throws
 * a Violation.
 */
import { EIO, ENOSPC } from "../../../src/base/errno.js";
import type { DataFile, Memory } from "../../../src/base/ports.js";
import { type Address, type ByteOffset, type Errno, PAGE_BYTES, type PageNo } from "../../../src/base/units.js";
import { ARENA_PAGES, type Media, type PoolFileBytes } from "./media.js";
import { Violation } from "./violation.js";

const BASE_ADDRESS = 0x1000_0000_0000;
const BUFFER_ADDRESS = 0x6000_0000_0000;
export const ZERO_ADDRESS = 0x7000_0000_0000;
export const ZERO_BYTES = 4 * PAGE_BYTES;
export const BUFFER_PAGES = 4;
/** What a request is written from. */
export const writeBuffer = new Uint8Array(BUFFER_PAGES * PAGE_BYTES);
export const writeBufferAddress: Address = BUFFER_ADDRESS;

/** How often memory may be asked for in one execution: what goes on for ever shall fail, not hang. */
const MOST_FILLS = 20_000;

export class MediaMemory implements Memory {
  readonly baseAddress: Address = BASE_ADDRESS;
  readonly needsPersist = false;
  readonly grainPages = 1;
  readonly durable: boolean;
  readonly canPunch: boolean;
  private readonly words: Int32Array;
  private fills = 0;

  /** As a mapping of so many metadata pages and `pageCount` pages in all. */
  constructor(
    private readonly media: Media,
    readonly metadataPages: number,
    readonly pageCount: number,
    private readonly readOnly: boolean,
  ) {
    if (metadataPages > media.meta.pages) throw new Violation(`${metadataPages} pages mapped of a shorter file`);
    this.durable = media.durable;
    this.canPunch = media.canPunch;
    this.words = media.meta.words.subarray(0, (metadataPages * PAGE_BYTES) / 4);
  }

  metadataWords(windowNo: number): Int32Array {
    if (windowNo !== 0) throw new Violation(`window ${windowNo} of a small memory`);
    return this.words;
  }

  populate(firstPage: PageNo, pageCount: number): Errno {
    this.requireChange(firstPage, pageCount);
    if (++this.fills > MOST_FILLS) throw new Violation("memory is asked for without end");
    for (let page = firstPage; page < firstPage + pageCount; page++) if (!this.make(page)) return ENOSPC;
    return 0;
  }

  fill(firstPage: PageNo, pageCount: number, headBytes: number, source: Address, lengthBytes: number): Errno {
    const errno = this.populate(firstPage, pageCount);
    if (errno !== 0) return errno;
    const tailBytes = pageCount * PAGE_BYTES - headBytes - lengthBytes;
    if (headBytes < 0 || lengthBytes < 0 || tailBytes < 0) throw new Violation("a fill past its range");
    const target = this.bytesAt(firstPage * PAGE_BYTES, pageCount * PAGE_BYTES);
    target.fill(0, 0, headBytes);
    target.set(this.at(source, lengthBytes), headBytes);
    target.fill(0, headBytes + lengthBytes);
    return 0;
  }

  /** As pwrite(2): into a hole it makes memory. */
  write(at: ByteOffset, source: Address, lengthBytes: number): Errno {
    const errno = this.makeBytes(at, lengthBytes);
    if (errno === 0) this.bytesAt(at, lengthBytes).set(this.at(source, lengthBytes));
    return errno;
  }

  zero(at: ByteOffset, lengthBytes: number): Errno {
    const errno = this.makeBytes(at, lengthBytes);
    if (errno === 0) this.bytesAt(at, lengthBytes).fill(0);
    return errno;
  }

  release(firstPage: PageNo, pageCount: number): Errno {
    this.requireChange(firstPage, pageCount);
    if (!this.canPunch) return this.zero(firstPage * PAGE_BYTES, pageCount * PAGE_BYTES);
    const { file, page } = this.place(firstPage);
    for (let i = page; i < Math.min(page + pageCount, ARENA_PAGES); i++) file.drop(i);
    return 0;
  }

  persist(): void {}

  faultIn(): void {}

  sync(): Errno {
    if (this.readOnly) throw new Violation("a sync of what was opened for reading");
    return 0;
  }

  nextHeld(fromPage: PageNo, endPage: PageNo): PageNo {
    return this.canPunch ? this.next(fromPage, endPage, 1) : Math.min(fromPage, endPage);
  }

  nextUnheld(fromPage: PageNo, endPage: PageNo): PageNo {
    return this.canPunch ? this.next(fromPage, endPage, 0) : endPage;
  }

  /** The data page at an address, or -1 for the zero region. */
  dataPageAt(address: Address, lengthBytes: number): PageNo {
    if (address >= ZERO_ADDRESS && address + lengthBytes <= ZERO_ADDRESS + ZERO_BYTES) return -1;
    const at = address - BASE_ADDRESS;
    const end = at + lengthBytes;
    if (!(at >= this.metadataPages * PAGE_BYTES && lengthBytes > 0 && end <= this.pageCount * PAGE_BYTES)) {
      throw new Violation(`a reply names bytes [${at}, ${end}) of a pool with data pages [${this.metadataPages}, …)`);
    }
    return Math.floor(at / PAGE_BYTES);
  }

  /** First word of a data page, 0 behind the arena. */
  stampOf(pageNo: PageNo): number {
    const { file, page } = this.place(pageNo);
    return page < ARENA_PAGES ? (file.words[(page * PAGE_BYTES) / 4] as number) : 0;
  }

  private next(fromPage: PageNo, endPage: PageNo, held: number): PageNo {
    for (let page = fromPage; page < endPage; page++) {
      const { file, page: inFile } = this.place(page);
      if (inFile >= ARENA_PAGES) {
        // Behind the arena all is one hole, to the file's end.
        return held === 1 ? endPage : page;
      }
      if (file.held[inFile] === held) return page;
    }
    return endPage;
  }

  private place(page: PageNo): { file: PoolFileBytes; page: number } {
    const { media } = this;
    if (!media.split || page < this.metadataPages) return { file: media.meta, page };
    return { file: media.data, page: page - this.metadataPages };
  }

  private make(pageNo: PageNo): boolean {
    const { file, page } = this.place(pageNo);
    if (page >= ARENA_PAGES) return false;
    if (file.held[page] === 1) return true;
    if (this.media.heldPages() >= this.media.limitPages) return false;
    file.held[page] = 1;
    return true;
  }

  private makeBytes(at: ByteOffset, lengthBytes: number): Errno {
    if (!Number.isInteger(at) || at < 0 || lengthBytes < 1) throw new Violation(`bytes at ${at} are stored to`);
    const first = Math.floor(at / PAGE_BYTES);
    return this.populate(first, Math.ceil((at + lengthBytes) / PAGE_BYTES) - first);
  }

  private bytesAt(at: ByteOffset, lengthBytes: number): Uint8Array {
    const { file, page } = this.place(Math.floor(at / PAGE_BYTES));
    const from = page * PAGE_BYTES + (at % PAGE_BYTES);
    return file.bytes.subarray(from, from + lengthBytes);
  }

  private at(address: Address, lengthBytes: number): Uint8Array {
    const inBuffer = address - BUFFER_ADDRESS;
    if (inBuffer >= 0 && inBuffer + lengthBytes <= writeBuffer.length) {
      return writeBuffer.subarray(inBuffer, inBuffer + lengthBytes);
    }
    if (lengthBytes === 0) return writeBuffer.subarray(0, 0);
    this.dataPageAt(address, lengthBytes);
    return this.bytesAt(address - BASE_ADDRESS, lengthBytes);
  }

  private requireChange(firstPage: PageNo, pageCount: number): void {
    if (this.readOnly) throw new Violation("a change of what was opened for reading");
    const end = firstPage + pageCount;
    const inside = Number.isInteger(firstPage) && Number.isInteger(pageCount) && firstPage >= 0 && pageCount > 0;
    const spans = firstPage < this.metadataPages && end > this.metadataPages;
    if (!inside || spans || end > this.pageCount) throw new Violation(`pages [${firstPage}, ${end}) are no range`);
  }
}

/** The file `data` of a split pool. */
export class MediaData implements DataFile {
  constructor(private readonly media: Media) {}

  heldPages(): number {
    return this.media.data.heldPages();
  }

  changedMs(): number {
    return 0;
  }

  lengthBytes(): number {
    return this.media.data.pages * PAGE_BYTES;
  }

  setLength(lengthBytes: number): Errno {
    if (!Number.isInteger(lengthBytes / PAGE_BYTES) || lengthBytes < 0)
      throw new Violation(`${lengthBytes} bytes long`);
    this.media.data.setLength(lengthBytes / PAGE_BYTES);
    return 0;
  }

  punch(): Errno {
    return EIO;
  }
}
