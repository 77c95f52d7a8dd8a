/**
 * Reads the whole index once and tells what is there. The media is not
 * trusted: every entry is checked, and pages that hold no memory are skipped.
 * Used by probe, which stops at the first finding, and by check, which lists all.
 */
import { type Memory, WINDOW_BYTES } from "../base/ports.js";
import { type BlockNo, PAGE_BYTES, type PageNo } from "../base/units.js";
import { ENTRIES_PER_PAGE } from "./geometry.js";
import type { Superblock } from "./superblock.js";

export type FindingKind = "superblock" | "high-word" | "padding" | "beyond-size" | "range" | "duplicate";

export interface Finding {
  readonly kind: FindingKind;
  readonly message: string;
  readonly blockNo?: BlockNo;
  readonly pageNo?: PageNo;
  /** Byte of the pool where it stands. */
  readonly offsetBytes: number;
}

export interface ScanVisitor {
  /** Index page `indexPage`, counted from 0, holds memory. */
  present(indexPage: number): void;
  /** A valid entry. @returns false when the page is taken already */
  entry(block: BlockNo, page: PageNo): boolean;
  finding(finding: Finding): void;
}

/** Visits all index pages that hold memory, in order. */
export function scanIndex(memory: Memory, superblock: Superblock, visitor: ScanVisitor): void {
  const end = superblock.geometry.firstDataPage;
  for (let page = memory.nextHeld(1, end); page < end; ) {
    const runEnd = memory.nextUnheld(page, end);
    for (; page < runEnd; page++) scanIndexPage(memory, superblock, page, visitor);
    page = memory.nextHeld(page, end);
  }
}

function scanIndexPage(memory: Memory, superblock: Superblock, indexPageNo: PageNo, visitor: ScanVisitor): void {
  const firstByte = indexPageNo * PAGE_BYTES;
  const words = memory.metadataWords(Math.floor(firstByte / WINDOW_BYTES));
  const firstWord = (firstByte % WINDOW_BYTES) / 4;
  const firstBlock = (indexPageNo - 1) * ENTRIES_PER_PAGE;
  visitor.present(indexPageNo - 1);
  for (let i = 0; i < ENTRIES_PER_PAGE; i++) {
    const low = Atomics.load(words, firstWord + 2 * i) >>> 0;
    const high = Atomics.load(words, firstWord + 2 * i + 1) >>> 0;
    if (low === 0 && high === 0) continue;
    const finding = checkEntry(superblock, firstBlock + i, low, high, firstByte + 8 * i);
    if (finding !== null) visitor.finding(finding);
    else if (!visitor.entry(firstBlock + i, low)) visitor.finding(duplicate(firstBlock + i, low, firstByte + 8 * i));
  }
}

function checkEntry(
  superblock: Superblock,
  blockNo: BlockNo,
  pageNo: PageNo,
  high: number,
  offsetBytes: number,
): Finding | null {
  const { geometry, blocks } = superblock;
  const at = { blockNo, pageNo, offsetBytes };
  if (blockNo >= geometry.maxBlocks) {
    return { ...at, kind: "padding", message: `entry ${blockNo} lies behind the index's end and is not zero` };
  }
  if (high !== 0) {
    return { ...at, kind: "high-word", message: `block ${blockNo}: the high word of its entry is ${high}, not 0` };
  }
  if (pageNo < geometry.firstDataPage || pageNo >= geometry.pageCount) {
    const range = `${geometry.firstDataPage} to ${geometry.pageCount - 1}`;
    return { ...at, kind: "range", message: `block ${blockNo}: page ${pageNo} is not a data page (${range})` };
  }
  if (blockNo >= blocks) {
    return { ...at, kind: "beyond-size", message: `block ${blockNo} is mapped beyond the file's end` };
  }
  return null;
}

function duplicate(blockNo: BlockNo, pageNo: PageNo, offsetBytes: number): Finding {
  const message = `block ${blockNo}: page ${pageNo} belongs to an earlier block too`;
  return { kind: "duplicate", message, blockNo, pageNo, offsetBytes };
}
