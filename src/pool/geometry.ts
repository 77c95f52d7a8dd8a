/**
 * Where everything lies in a pool of P pages:
 * page 0 superblock | pages [1, 1 + indexPages) index | the rest data.
 * All values are checked before they are added, so nothing can wrap.
 */
import { UserError } from "../base/errors.js";
import type { BlockNo, PageNo } from "../base/units.js";

export const ENTRIES_PER_PAGE = 512;
/** A page number is 32 bits; 1024 below so that sums of small constants fit too. */
export const MAX_PAGES = 2 ** 32 - 1024;

export interface Geometry {
  /** All pages of the pool. */
  readonly pageCount: number;
  readonly indexPages: number;
  /** Entries of the index: the largest size of the file, in blocks. */
  readonly maxBlocks: number;
  readonly firstDataPage: PageNo;
  readonly dataPages: number;
}

/** The geometry of `pageCount` pages whose index has `indexPages` pages and `maxBlocks` entries. */
export function layOut(pageCount: number, indexPages: number, maxBlocks: number): Geometry {
  const firstDataPage = 1 + indexPages;
  return { pageCount, indexPages, maxBlocks, firstDataPage, dataPages: pageCount - firstDataPage };
}

/** The page of `block` when the data region is read as the file. A thin pool has none for its last blocks. */
export function homePage({ firstDataPage }: Geometry, block: BlockNo): PageNo {
  return firstDataPage + block;
}

/**
 * The seed's geometry: an index just large enough for the pages behind it.
 * @throws UserError when no data page would be left.
 */
export function defaultGeometry(pageCount: number): Geometry {
  requirePageCount(pageCount);
  const indexPages = Math.ceil((pageCount - 1) / (ENTRIES_PER_PAGE + 1));
  const maxBlocks = pageCount - 1 - indexPages;
  if (maxBlocks < 1) throw tooSmall(pageCount);
  return layOut(pageCount, indexPages, maxBlocks);
}

/**
 * The geometry of a pool of `pageCount` pages for a file of at most `maxBlocks`.
 * @throws UserError when no data page would be left.
 */
export function chosenGeometry(pageCount: number, maxBlocks: number): Geometry {
  requirePageCount(pageCount);
  if (!Number.isSafeInteger(maxBlocks) || maxBlocks < 1 || maxBlocks > MAX_PAGES) {
    const reason = `a disk of ${maxBlocks} blocks of 4096 bytes is not possible`;
    throw wrongSize("size", reason, "a size from 4096 bytes to just under 16 TiB");
  }
  const indexPages = indexPagesFor(maxBlocks);
  if (1 + indexPages + 1 > pageCount) throw tooSmall(pageCount);
  return layOut(pageCount, indexPages, maxBlocks);
}

export function indexPagesFor(maxBlocks: number): number {
  return Math.ceil(maxBlocks / ENTRIES_PER_PAGE);
}

/** Pages of a pool that can hold a whole file of `maxBlocks` blocks. */
export function pagesForWholeFile(maxBlocks: number): number {
  return 1 + indexPagesFor(maxBlocks) + maxBlocks;
}

function requirePageCount(pageCount: number): void {
  if (!Number.isSafeInteger(pageCount) || pageCount < 0 || pageCount > MAX_PAGES) {
    const reason = `a pool of ${pageCount} pages of 4096 bytes is not possible`;
    throw wrongSize("pool", reason, "a pool of 12 KiB to just under 16 TiB");
  }
}

function tooSmall(pageCount: number): UserError {
  return wrongSize("pool", `a pool of ${pageCount} pages of 4096 bytes has no room for data`, "a larger pool");
}

function wrongSize(what: string, reason: string, cure: string): UserError {
  return new UserError(what, reason, { code: "EINVAL", cure, exitCode: 2 });
}
