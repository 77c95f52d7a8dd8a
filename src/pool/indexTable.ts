/**
 * The index on the media: 8 bytes an entry, block → page number, 0 = hole.
 * An entry changes by one aligned 32-bit atomic store of its low word; the high
 * word is constantly zero, so an entry cannot tear.
 *
 * V8 calls a builtin for an atomic load, so that only the first of a scan is one (of
 * `present`, in each index page): no load after it is done before it. What a page
 * holds is read by a system call, so after the branch on the entry that named it.
 *
 * A page of the index that holds no memory is never touched: reading it through
 * the mapping would allocate it. `present` has one bit per index page, set when
 * it holds memory; a clear bit means 512 holes.
 */
import { assert } from "../base/assert.js";
import { BitSet } from "../base/bitset.js";
import { type Memory, WINDOW_BYTES } from "../base/ports.js";
import { type BlockNo, type Errno, PAGE_BYTES, type PageNo } from "../base/units.js";
import type { Account } from "./account.js";
import { ENTRY_BYTES, entryOffset } from "./entry.js";
import { ENTRIES_PER_PAGE, type Geometry } from "./geometry.js";

const PRESENT_SHIFT = 9;
/** Entries of one window; the superblock's page counts as 512. A power of two, so shifts find the window. */
const WINDOW_ENTRIES_SHIFT = 27;
const WINDOW_ENTRIES_MASK = (1 << WINDOW_ENTRIES_SHIFT) - 1;
const SUPERBLOCK_ENTRIES = PAGE_BYTES / ENTRY_BYTES;
/** What `get` returns for an entry whose high word is not zero: no page has that number. */
const NO_PAGE: PageNo = 0xffff_ffff;
assert(2 ** WINDOW_ENTRIES_SHIFT * ENTRY_BYTES === WINDOW_BYTES, "window and shift disagree");
assert(1 << PRESENT_SHIFT === ENTRIES_PER_PAGE, "entries of a page and shift disagree");

export class IndexTable {
  private readonly windows: Int32Array[] = [];
  private readonly present: BitSet;

  constructor(
    private readonly memory: Memory,
    private readonly geometry: Geometry,
    /** One bit per index page, shared. */
    presentWords: Int32Array,
    private readonly account: Account,
  ) {
    this.present = new BitSet(presentWords);
    const windowCount = Math.ceil((geometry.firstDataPage * PAGE_BYTES) / WINDOW_BYTES);
    for (let windowNo = 0; windowNo < windowCount; windowNo++) this.windows.push(memory.metadataWords(windowNo));
  }

  private windowOf(block: BlockNo): Int32Array {
    return this.windows[(block + SUPERBLOCK_ENTRIES) >>> WINDOW_ENTRIES_SHIFT];
  }

  isPresent(block: BlockNo): boolean {
    return this.present.has(block >>> PRESENT_SHIFT);
  }

  /** The page that `block` maps to, 0 for a hole. The page of a damaged entry is not a data page. */
  get(block: BlockNo): PageNo {
    if (!this.isPresent(block)) return 0;
    const window = this.windowOf(block);
    const at = wordOf(block);
    return window[at + 1] === 0 ? Atomics.load(window, at) >>> 0 : NO_PAGE;
  }

  /** As `get`, perhaps an old value, where the index page is present: for a caller that exchanges it. */
  peek(block: BlockNo): PageNo {
    const window = this.windowOf(block);
    const at = wordOf(block);
    return window[at + 1] === 0 ? window[at] >>> 0 : NO_PAGE;
  }

  /** Maps a hole to `page`; false when the block is already mapped. Its index page must be present. */
  publish(block: BlockNo, page: PageNo): boolean {
    return Atomics.compareExchange(this.windowOf(block), wordOf(block), 0, page | 0) === 0;
  }

  /** Remaps `block` from page `from` to `to`; false when it no longer maps to `from`. */
  replace(block: BlockNo, from: PageNo, to: PageNo): boolean {
    return Atomics.compareExchange(this.windowOf(block), wordOf(block), from | 0, to | 0) >>> 0 === from;
  }

  /** Makes `block` a hole and returns the page it had, or 0. Its index page must be present. */
  clear(block: BlockNo): PageNo {
    return Atomics.exchange(this.windowOf(block), wordOf(block), 0) >>> 0;
  }

  /** Called after entries of `[from, end)` change, before the reply; does nothing unless `needsPersist`. */
  persist(from: BlockNo, end: BlockNo): void {
    if (!this.memory.needsPersist || from >= end) return;
    this.memory.persist(entryOffset(from), (end - from) * ENTRY_BYTES);
  }

  /** Makes sure that the index page of `block` holds memory. ENOSPC, ENOMEM. */
  ensurePresent(block: BlockNo): Errno {
    if (this.isPresent(block)) return 0;
    const indexPage = block >>> PRESENT_SHIFT;
    const errno = this.memory.populate(1 + indexPage, 1);
    if (errno === 0) this.markPresent(indexPage);
    return errno;
  }

  /** Records that index page `indexPage` holds memory. */
  markPresent(indexPage: number): void {
    if (this.present.add(indexPage)) this.account.metadataAdded(1);
  }

  /** The first block in `[from, end)` whose index page holds memory, or `end`. */
  nextPresent(from: BlockNo, end: BlockNo): BlockNo {
    if (from >= end) return end;
    const indexPage = this.present.next(from >>> PRESENT_SHIFT, ((end - 1) >>> PRESENT_SHIFT) + 1);
    return Math.min(end, Math.max(from, indexPage * ENTRIES_PER_PAGE));
  }

  /** The first mapped block in `[from, end)`, or `end`. */
  nextMapped(from: BlockNo, end: BlockNo): BlockNo {
    let block = this.nextPresent(from, end);
    while (block < end) {
      const pageEnd = Math.min(endOfIndexPage(block), end);
      block = this.findInIndexPage(block, pageEnd, true);
      if (block < pageEnd) return block;
      block = this.nextPresent(block, end);
    }
    return end;
  }

  /** The first hole in `[from, end)`, or `end`. */
  nextHole(from: BlockNo, end: BlockNo): BlockNo {
    let block = from;
    while (block < end) {
      if (!this.isPresent(block)) return block;
      const pageEnd = Math.min(endOfIndexPage(block), end);
      block = this.findInIndexPage(block, pageEnd, false);
      if (block < pageEnd) return block;
    }
    return end;
  }

  /** The first block in `[block, end)` that does not map to the page after its neighbour's, `page` for `block`; or `end`. */
  endOfRun(block: BlockNo, end: BlockNo, page: PageNo): BlockNo {
    for (let from = block; from < end; from = endOfIndexPage(from)) {
      if (!this.isPresent(from)) return from;
      const window = this.windowOf(from);
      const firstWord = wordOf(from);
      const count = Math.min(endOfIndexPage(from), end) - from;
      const first = page + (from - block);
      for (let i = 0; i < count; i++) {
        if (window[firstWord + 2 * i] !== ((first + i) | 0) || window[firstWord + 2 * i + 1] !== 0) return from + i;
      }
    }
    return end;
  }

  /** The first block in `[from, end)`, within one present index page, that is mapped or not; or `end`. */
  private findInIndexPage(from: BlockNo, end: BlockNo, mapped: boolean): BlockNo {
    const window = this.windowOf(from);
    const firstWord = wordOf(from);
    for (let i = 0; i < end - from; i++) {
      // An entry with a high word alone is damaged: no hole.
      if (((window[firstWord + 2 * i] | window[firstWord + 2 * i + 1]) !== 0) === mapped) return from + i;
    }
    return end;
  }

  /** True when an entry may name `page`: it lies in the data region. */
  isDataPage(page: PageNo): boolean {
    return page >= this.geometry.firstDataPage && page < this.geometry.pageCount;
  }
}

/** The first block after those of `block`'s index page. */
export function endOfIndexPage(block: BlockNo): BlockNo {
  return ((block >>> PRESENT_SHIFT) + 1) * ENTRIES_PER_PAGE;
}

/** The low word of `block`'s entry within its window. */
function wordOf(block: BlockNo): number {
  return ((block + SUPERBLOCK_ENTRIES) & WINDOW_ENTRIES_MASK) << 1;
}
