/**
 * Reads the whole index once and tells what is there. The media is not
 * trusted: every entry is checked, and pages that hold no memory are skipped.
 * Used by probe, which stops at the first finding, and by check, which lists all.
 */
import type { Memory } from "../base/ports.js";
import type { BlockNo, PageNo } from "../base/units.js";
import { pageWords } from "./entry.js";
import { ENTRIES_PER_PAGE } from "./geometry.js";
import type { Superblock } from "./superblock.js";

/** What can be wrong with an entry. */
export type EntryDamage = "high-word" | "padding" | "beyond-size" | "range" | "duplicate";

/** What the entries are held against. */
type ScannedIndex = Pick<Superblock, "geometry" | "blocks">;

export interface ScanVisitor {
  /** Index page `indexPage`, counted from 0, holds memory. */
  present?(indexPage: number): void;
  /**
   * Valid entries of `count` blocks from `block` on, which name as many pages from `page` on.
   * @returns how many there are before the first whose page is taken already
   */
  run(block: BlockNo, page: PageNo, count: number): number;
  /** The entry of `block`, its low word `page` and its high word `high`, is not valid. */
  damaged?(damage: EntryDamage, block: BlockNo, page: PageNo, high: number): void;
}

/** Visits all index pages that hold memory, in order. */
export function scanIndex(memory: Memory, scanned: ScannedIndex, visitor: ScanVisitor): void {
  const end = scanned.geometry.firstDataPage;
  for (const [held, heldEnd] of heldRuns(memory, 1, end)) {
    for (let page = held; page < heldEnd; page++) scanIndexPage(memory, scanned, page, visitor);
  }
}

/** The runs of pages in `[from, end)` that hold memory, as they are when each is asked for. */
export function* heldRuns(memory: Memory, from: PageNo, end: PageNo): Generator<readonly [PageNo, PageNo]> {
  for (let held = memory.nextHeld(from, end); held < end; ) {
    const heldEnd = memory.nextUnheld(held, end);
    yield [held, heldEnd];
    held = memory.nextHeld(heldEnd, end);
  }
}

function scanIndexPage(memory: Memory, scanned: ScannedIndex, indexPageNo: PageNo, visitor: ScanVisitor): void {
  const words = pageWords(memory, indexPageNo);
  const firstBlock = (indexPageNo - 1) * ENTRIES_PER_PAGE;
  visitor.present?.(indexPageNo - 1);
  for (let i = 0; i < ENTRIES_PER_PAGE; ) {
    // Nobody changes the index meanwhile, so plain loads do: they are a third of a probe's time as atomic ones.
    const low = words[2 * i] >>> 0;
    const high = words[2 * i + 1] >>> 0;
    if (low === 0 && high === 0) {
      i++;
      continue;
    }
    const damage = damageOf(scanned, firstBlock + i, low, high);
    if (damage !== null) {
      visitor.damaged?.(damage, firstBlock + i, low, high);
      i++;
      continue;
    }
    const count = runLength(scanned, words, 2 * i, firstBlock + i, low, ENTRIES_PER_PAGE - i);
    const taken = visitor.run(firstBlock + i, low, count);
    i += taken;
    if (taken === count) continue;
    visitor.damaged?.("duplicate", firstBlock + i, low + taken, 0);
    i++;
  }
}

/** Of the entries from the valid one at `word` on, at most `most`: how many name one page after the other. */
function runLength(
  { geometry, blocks }: ScannedIndex,
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

function damageOf({ geometry, blocks }: ScannedIndex, block: BlockNo, page: PageNo, high: number): EntryDamage | null {
  if (block >= geometry.maxBlocks) return "padding";
  if (high !== 0) return "high-word";
  if (page < geometry.firstDataPage || page >= geometry.pageCount) return "range";
  return block >= blocks ? "beyond-size" : null;
}

/** What `damaged` told, in words. */
export function describeEntryDamage(
  damage: EntryDamage,
  { geometry }: ScannedIndex,
  block: BlockNo,
  page: PageNo,
  high: number,
): string {
  switch (damage) {
    case "padding":
      return `entry ${block} is past the end of the index and not zero`;
    case "high-word":
      return `block ${block}: the high word of its entry is ${high}, not 0`;
    case "range":
      return `block ${block}: page ${page} is not a data page (${geometry.firstDataPage} to ${geometry.pageCount - 1})`;
    case "beyond-size":
      return `block ${block} is mapped to page ${page} beyond the end of the file`;
    case "duplicate":
      return `block ${block}: page ${page} also belongs to an earlier block`;
  }
}
