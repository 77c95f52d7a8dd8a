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
  /**
   * Valid entries of `count` blocks from `block` on, which name as many pages from `page` on.
   * @returns how many there are before the first whose page is taken already
   */
  run(block: BlockNo, page: PageNo, count: number): number;
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
  for (let i = 0; i < ENTRIES_PER_PAGE; ) {
    // Nobody changes the index meanwhile, so plain loads do: they are a third of a probe's time as atomic ones.
    const low = words[firstWord + 2 * i] >>> 0;
    const high = words[firstWord + 2 * i + 1] >>> 0;
    if (low === 0 && high === 0) {
      i++;
      continue;
    }
    const finding = checkEntry(superblock, firstBlock + i, low, high, firstByte + 8 * i);
    if (finding !== null) {
      visitor.finding(finding);
      i++;
      continue;
    }
    const count = runLength(superblock, words, firstWord + 2 * i, firstBlock + i, low, ENTRIES_PER_PAGE - i);
    const taken = visitor.run(firstBlock + i, low, count);
    i += taken;
    if (taken === count) continue;
    visitor.finding(duplicate(firstBlock + i, low + taken, firstByte + 8 * i));
    i++;
  }
}

/** Of the entries from the valid one at `word` on, at most `most`: how many name one page after the other. */
function runLength(
  { geometry, blocks }: Superblock,
  words: Int32Array,
  word: number,
  block: BlockNo,
  page: PageNo,
  most: number,
): number {
  const end = Math.min(most, blocks - block, geometry.pageCount - page);
  let count = 1;
  while (count < end && words[word + 2 * count] >>> 0 === page + count && words[word + 2 * count + 1] === 0) count++;
  return count;
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
