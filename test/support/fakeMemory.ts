/**
 * A pool's memory in one SharedArrayBuffer, with made-up addresses.
 *
 * It keeps account of which pages hold memory. A page that holds none is filled
 * with POISON: whoever reads it gets nonsense, and a store to it is found by
 * `strayStores`. Copies to such a page throw, as a store to it could be SIGBUS.
 * Where grains are larger than a page, or nothing can be punched, it behaves
 * like `MappedMemory`: everything counts as held, and to zero is to make memory.
 * Buffers for requests lie behind the pool, in the same made-up address space.
 */
import { ENOMEM, ENOSPC } from "../../src/base/errno.js";
import type { Memory } from "../../src/base/ports.js";
import { type Address, type ByteOffset, type Errno, PAGE_BYTES, type PageNo } from "../../src/base/units.js";

export const POISON = 0xd7;
const BASE_ADDRESS = 0x7000_0000_0000;
/** Pages behind the pool: the zero region, then a buffer for each of eight threads. */
export const ZERO_PAGES = 4;
export const BUFFER_PAGES = 64;
const BUFFERS = 8;

export interface FakeMemoryOptions {
  readonly pageCount: number;
  readonly metadataPages: number;
  readonly durable?: boolean;
  readonly grainPages?: number;
  readonly canPunch?: boolean;
  /** Most pages that may hold memory; more are ENOSPC. */
  readonly limitPages?: number;
}

/** Plain data, for other threads. */
export interface FakeMemoryState {
  readonly options: FakeMemoryOptions;
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  /** One word a grain: 0 holds nothing, 1 holds memory, 2 is being made. */
  readonly held: Int32Array<SharedArrayBuffer>;
  /** Grains held, the limit in grains. */
  readonly counts: Int32Array<SharedArrayBuffer>;
  /** What is on the media of a durable pool, and which pages there are. */
  readonly media: Uint8Array<SharedArrayBuffer> | null;
}

/** How often one request may ask for memory: one that tries for ever shall fail, not hang. */
const MOST_FILLS = 5_000;

const HELD = 0;
const LIMIT = 1;
const NONE = 0;
const MADE = 1;
const IN_MAKING = 2;

export class FakeMemory implements Memory {
  readonly pageCount: number;
  readonly baseAddress: Address = BASE_ADDRESS;
  readonly durable: boolean;
  readonly needsPersist = false;
  readonly grainPages: number;
  readonly canPunch: boolean;
  readonly metadataPages: number;
  readonly bytes: Uint8Array;
  private readonly words: Int32Array;
  private readonly allWords: Int32Array;
  private readonly held: Int32Array;
  private readonly counts: Int32Array;
  private fills = 0;

  private constructor(readonly state: FakeMemoryState) {
    const { options } = state;
    this.pageCount = options.pageCount;
    this.metadataPages = options.metadataPages;
    this.durable = options.durable ?? false;
    this.grainPages = options.grainPages ?? 1;
    this.canPunch = options.canPunch ?? true;
    this.bytes = state.bytes;
    this.words = new Int32Array(state.bytes.buffer, 0, (options.metadataPages * PAGE_BYTES) / 4);
    this.allWords = new Int32Array(state.bytes.buffer);
    this.held = state.held;
    this.counts = state.counts;
  }

  /** Memory that holds nothing yet, or, where nothing can be punched, all of it with random-looking content. */
  static make(options: FakeMemoryOptions): FakeMemory {
    const grains = Math.ceil(options.pageCount / (options.grainPages ?? 1));
    const pages = options.pageCount + ZERO_PAGES + BUFFERS * BUFFER_PAGES;
    const memory = new FakeMemory({
      options,
      bytes: sharedBytes(pages * PAGE_BYTES),
      held: new Int32Array(new SharedArrayBuffer(grains * 4)),
      counts: new Int32Array(new SharedArrayBuffer(8)),
      media: options.durable === true ? sharedBytes(options.pageCount * PAGE_BYTES) : null,
    });
    memory.bytes.fill(POISON, 0, options.pageCount * PAGE_BYTES);
    memory.state.media?.fill(POISON);
    memory.limit(options.limitPages ?? options.pageCount + memory.grainPages);
    if (memory.seesNoHoles) memory.holdAllOrMetadata();
    return memory;
  }

  /** The same memory, for another thread. */
  static attach(state: FakeMemoryState): FakeMemory {
    return new FakeMemory(state);
  }

  /** A request begins: it may ask for memory so and so often. */
  beginRequest(): void {
    this.fills = 0;
  }

  /** Changes how many pages may hold memory. */
  limit(pages: number): void {
    this.counts[LIMIT] = Math.floor(pages / this.grainPages);
  }

  /** Pages that hold memory. */
  get heldPages(): number {
    return Atomics.load(this.counts, HELD) * this.grainPages;
  }

  get zeroAddress(): Address {
    return this.addressOf(this.pageCount);
  }

  bufferAddress(thread: number): Address {
    return this.addressOf(this.pageCount + ZERO_PAGES + thread * BUFFER_PAGES);
  }

  /** The bytes at a made-up address. Throws when they are not ours. */
  at(address: Address, lengthBytes: number): Uint8Array {
    const from = this.offsetOf(address, lengthBytes);
    return this.bytes.subarray(from, from + lengthBytes);
  }

  page(pageNo: PageNo): Uint8Array {
    return this.bytes.subarray(pageNo * PAGE_BYTES, (pageNo + 1) * PAGE_BYTES);
  }

  holds(page: PageNo): boolean {
    return Atomics.load(this.held, Math.floor(page / this.grainPages)) === MADE;
  }

  /** Pages without memory that somebody stored to. */
  strayStores(): number[] {
    const found: number[] = [];
    for (let page = 0; page < this.pageCount; page++) {
      if (!this.holds(page) && Buffer.compare(this.page(page), poisonPage) !== 0) found.push(page);
    }
    return found;
  }

  /** A copy of its own. `onMedia` picks pages that are taken as the media has them: a power cut. */
  copy(onMedia: (page: PageNo) => boolean = () => false): FakeMemory {
    const twin = FakeMemory.make({ ...this.state.options, limitPages: this.counts[LIMIT] * this.grainPages });
    const { media } = this.state;
    for (let page = 0; page < this.pageCount; page++) {
      const from = media !== null && onMedia(page) ? media : this.bytes;
      const content = from.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
      twin.page(page).set(content);
      const holds = from === this.bytes ? this.holds(page) : Buffer.compare(content, poisonPage) !== 0;
      Atomics.store(twin.held, Math.floor(page / this.grainPages), holds ? MADE : NONE);
    }
    twin.counts[HELD] = twin.held.reduce((sum, state) => sum + (state === MADE ? 1 : 0), 0);
    twin.sync();
    return twin;
  }

  metadataWords(windowNo: number): Int32Array {
    if (windowNo !== 0) throw new Error(`window ${windowNo} of a small memory`);
    return this.words;
  }

  populate(firstPage: PageNo, pageCount: number): Errno {
    this.requireRange(firstPage, pageCount);
    if (++this.fills > MOST_FILLS) throw new Error("a request asks for memory without end");
    return this.make(firstPage, pageCount);
  }

  fill(firstPage: PageNo, pageCount: number, headBytes: number, source: Address, lengthBytes: number): Errno {
    const errno = this.populate(firstPage, pageCount);
    if (errno !== 0) return errno;
    const at = firstPage * PAGE_BYTES;
    const end = at + pageCount * PAGE_BYTES;
    const dataEnd = at + headBytes + lengthBytes;
    if (headBytes < 0 || lengthBytes < 0 || dataEnd > end) throw new Error("fill past its range");
    const from = this.offsetOf(source, lengthBytes);
    this.clear(at, at + headBytes);
    this.bytes.copyWithin(at + headBytes, from, from + lengthBytes);
    this.clear(dataEnd, end);
    return 0;
  }

  write(at: ByteOffset, source: Address, lengthBytes: number): Errno {
    this.requireHeld(at, lengthBytes);
    const from = this.offsetOf(source, lengthBytes);
    this.bytes.copyWithin(at, from, from + lengthBytes);
    return 0;
  }

  zero(at: ByteOffset, lengthBytes: number): Errno {
    if (this.seesNoHoles) {
      const first = Math.floor(at / PAGE_BYTES);
      if (this.make(first, Math.ceil((at + lengthBytes) / PAGE_BYTES) - first) !== 0) return ENOMEM;
    }
    this.requireHeld(at, lengthBytes);
    this.clear(at, at + lengthBytes);
    return 0;
  }

  release(firstPage: PageNo, pageCount: number): Errno {
    this.requireRange(firstPage, pageCount);
    const end = firstPage + pageCount;
    const firstGrain = Math.ceil(firstPage / this.grainPages);
    const endGrain = Math.floor(end / this.grainPages);
    if (!this.canPunch || firstGrain >= endGrain) return this.zeroPages(firstPage, end);
    const head = this.zeroPages(firstPage, firstGrain * this.grainPages);
    if (head !== 0) return head;
    for (let grain = firstGrain; grain < endGrain; grain++) this.punch(grain);
    return this.zeroPages(endGrain * this.grainPages, end);
  }

  persist(): void {}

  faultIn(): void {}

  sync(): Errno {
    this.state.media?.set(this.bytes.subarray(0, this.pageCount * PAGE_BYTES));
    return 0;
  }

  nextHeld(fromPage: PageNo, endPage: PageNo): PageNo {
    return this.seesNoHoles ? Math.min(fromPage, endPage) : this.next(fromPage, endPage, true);
  }

  nextUnheld(fromPage: PageNo, endPage: PageNo): PageNo {
    return this.seesNoHoles ? endPage : this.next(fromPage, endPage, false);
  }

  /** By words where it can be: another thread sees a word whole, as with a copy by the machine. */
  private clear(from: number, end: number): void {
    if (from % 4 === 0 && end % 4 === 0) this.allWords.fill(0, from / 4, end / 4);
    else this.bytes.fill(0, from, end);
  }

  private get seesNoHoles(): boolean {
    return this.grainPages > 1 || !this.canPunch;
  }

  private holdAllOrMetadata(): void {
    const pages = this.canPunch ? this.metadataPages : this.pageCount;
    this.make(0, pages);
    if (this.canPunch) return;
    for (let at = 0; at < pages * PAGE_BYTES; at++) this.bytes[at] = (at * 31 + (at >> 12)) & 0xff;
  }

  private next(fromPage: PageNo, endPage: PageNo, held: boolean): PageNo {
    for (let page = fromPage; page < endPage; page++) if (this.holds(page) === held) return page;
    return endPage;
  }

  /** Makes the memory of all grains of the range, or of none. */
  private make(firstPage: PageNo, pageCount: number): Errno {
    const first = Math.floor(firstPage / this.grainPages);
    const end = Math.ceil((firstPage + pageCount) / this.grainPages);
    let missing = 0;
    for (let grain = first; grain < end; grain++) if (Atomics.load(this.held, grain) === NONE) missing++;
    if (Atomics.add(this.counts, HELD, missing) + missing > (this.counts[LIMIT] as number) && missing > 0) {
      Atomics.sub(this.counts, HELD, missing);
      return ENOSPC;
    }
    let made = 0;
    for (let grain = first; grain < end; grain++) if (this.makeGrain(grain)) made++;
    Atomics.sub(this.counts, HELD, missing - made);
    return 0;
  }

  private makeGrain(grain: number): boolean {
    const was = Atomics.compareExchange(this.held, grain, NONE, IN_MAKING);
    if (was === NONE) {
      const at = grain * this.grainPages * PAGE_BYTES;
      this.bytes.fill(0, at, Math.min(at + this.grainPages * PAGE_BYTES, this.pageCount * PAGE_BYTES));
      Atomics.store(this.held, grain, MADE);
      return true;
    }
    while (Atomics.load(this.held, grain) === IN_MAKING);
    return false;
  }

  private punch(grain: number): void {
    if (Atomics.load(this.held, grain) === NONE) return;
    const at = grain * this.grainPages * PAGE_BYTES;
    this.bytes.fill(POISON, at, at + this.grainPages * PAGE_BYTES);
    Atomics.store(this.held, grain, NONE);
    Atomics.sub(this.counts, HELD, 1);
  }

  private zeroPages(firstPage: PageNo, endPage: PageNo): Errno {
    return firstPage < endPage ? this.zero(firstPage * PAGE_BYTES, (endPage - firstPage) * PAGE_BYTES) : 0;
  }

  private addressOf(pageNo: number): Address {
    return BASE_ADDRESS + pageNo * PAGE_BYTES;
  }

  private offsetOf(address: Address, lengthBytes: number): number {
    const at = address - BASE_ADDRESS;
    if (!(at >= 0 && lengthBytes >= 0 && at + lengthBytes <= this.bytes.length)) {
      throw new Error(`${lengthBytes} bytes at address ${address} are not ours`);
    }
    return at;
  }

  private requireRange(firstPage: PageNo, pageCount: number): void {
    const end = firstPage + pageCount;
    const inside = Number.isInteger(firstPage) && Number.isInteger(pageCount) && firstPage >= 0 && pageCount > 0;
    const spans = firstPage < this.metadataPages && end > this.metadataPages;
    if (!inside || end > this.pageCount || spans) throw new Error(`pages [${firstPage}, ${end}) are no range`);
  }

  private requireHeld(at: ByteOffset, lengthBytes: number): void {
    const end = at + lengthBytes;
    const inside = Number.isInteger(at) && at >= 0 && lengthBytes >= 0 && end <= this.pageCount * PAGE_BYTES;
    if (!inside) throw new Error(`bytes [${at}, ${end}) are outside the pool`);
    for (let page = Math.floor(at / PAGE_BYTES); page * PAGE_BYTES < end; page++) {
      if (!this.holds(page)) throw new Error(`page ${page} is stored to and holds no memory`);
    }
  }
}

const poisonPage = new Uint8Array(PAGE_BYTES).fill(POISON);

function sharedBytes(lengthBytes: number): Uint8Array<SharedArrayBuffer> {
  return new Uint8Array(new SharedArrayBuffer(lengthBytes));
}
