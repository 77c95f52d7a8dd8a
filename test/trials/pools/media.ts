/**
 * The files of a small pool in two arrays that are used again for each
 * execution, and which of their pages hold memory. A page that holds none is
 * zeros. A single pool is all in `meta`.
 */
import { PAGE_BYTES } from "../../../src/base/units.js";

/** Pages of each file that can hold memory; what lies behind is a hole without end. */
export const ARENA_PAGES = 64;

export class PoolFileBytes {
  readonly bytes = new Uint8Array(ARENA_PAGES * PAGE_BYTES);
  readonly words = new Int32Array(this.bytes.buffer);
  readonly held = new Uint8Array(ARENA_PAGES);
  private readonly saved = Buffer.alloc(ARENA_PAGES * PAGE_BYTES);
  private savedPages = 0;
  /** Length of the file. */
  pages = 0;

  /** An empty file of `pages` pages. */
  clear(pages: number): void {
    this.bytes.fill(0, 0, Math.max(this.pages, this.savedPages, 1) * PAGE_BYTES);
    this.held.fill(0);
    this.pages = pages;
    this.savedPages = 0;
  }

  page(pageNo: number): Uint8Array {
    return this.bytes.subarray(pageNo * PAGE_BYTES, (pageNo + 1) * PAGE_BYTES);
  }

  drop(pageNo: number): void {
    if (pageNo >= ARENA_PAGES || this.held[pageNo] === 0) return;
    this.page(pageNo).fill(0);
    this.held[pageNo] = 0;
  }

  /** ftruncate(2). */
  setLength(pages: number): void {
    for (let page = pages; page < Math.min(this.pages, ARENA_PAGES); page++) this.drop(page);
    this.pages = pages;
  }

  /** Remembers all of it, for `isAsSaved`. */
  save(): void {
    this.savedPages = Math.min(this.pages, ARENA_PAGES);
    this.saved.set(this.bytes.subarray(0, this.savedPages * PAGE_BYTES));
  }

  isAsSaved(): boolean {
    const lengthBytes = this.savedPages * PAGE_BYTES;
    return (
      Math.min(this.pages, ARENA_PAGES) === this.savedPages &&
      this.saved.compare(this.bytes, 0, lengthBytes, 0, lengthBytes) === 0
    );
  }

  /** As `isAsSaved`, for the first pages alone. */
  isAsSavedTo(pages: number): boolean {
    const lengthBytes = Math.min(pages, this.savedPages) * PAGE_BYTES;
    return this.saved.compare(this.bytes, 0, lengthBytes, 0, lengthBytes) === 0;
  }

  heldPages(): number {
    let count = 0;
    for (let page = 0; page < ARENA_PAGES; page++) count += this.held[page] as number;
    return count;
  }
}

export class Media {
  readonly meta = new PoolFileBytes();
  readonly data = new PoolFileBytes();
  split = false;
  /** False: as device DAX, everything is held always. */
  canPunch = true;
  durable = false;
  /** Most pages that may hold memory. */
  limitPages = 0;
  private savedMetaPages = 0;
  private savedDataPages = 0;

  get pageCount(): number {
    return this.meta.pages + (this.split ? this.data.pages : 0);
  }

  heldPages(): number {
    return this.meta.heldPages() + this.data.heldPages();
  }

  save(): void {
    this.savedMetaPages = this.meta.pages;
    this.savedDataPages = this.data.pages;
    this.meta.save();
    this.data.save();
  }

  isAsSaved(): boolean {
    const isLong = this.meta.pages === this.savedMetaPages && this.data.pages === this.savedDataPages;
    return isLong && this.meta.isAsSaved() && this.data.isAsSaved();
  }

  /** Page 0, or what there is of it: a copy, as read(2) gives it. */
  readPage0(): Uint8Array {
    return this.meta.bytes.slice(0, Math.min(this.meta.pages, 1) * PAGE_BYTES);
  }
}
