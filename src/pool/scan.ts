/**
 * Reads the whole index once and reports its content. The media is not trusted:
 * every entry is checked. Pages that hold no memory are skipped.
 */
import type { Memory } from "../base/ports.js";
import type { BlockNo, PageNo } from "../base/units.js";
import { pageWords } from "./entry.js";
import { ENTRIES_PER_PAGE } from "./geometry.js";
import type { Superblock } from "./superblock.js";

/** The ways in which an entry can be wrong. */
export type EntryDamage = "high-word" | "padding" | "beyond-size" | "range" | "duplicate";

/** What the entries are checked against. */
type ScannedIndex = Pick<Superblock, "geometry" | "blocks">;

export interface ScanVisitor {
  /** Index page `indexPage`, counted from 0, holds memory. */
  present?(indexPage: number): void;
  /**
   * Valid entries of `count` blocks from `block` on, which name adjacent pages from `page` on.
   * @returns how many come before the first whose page is already taken
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

/** The runs of pages in `[from, end)` that hold memory, each determined when the iterator reaches it. */
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
    // The index does not change during a scan, so plain loads suffice. Atomic ones would be a third of a probe's time.
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

/** The number of entries, at most `most`, from the valid one at `word` on that name adjacent pages. */
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
  // Eight at a time, with one branch: half of the time of a full pool's probe would be this loop.
  while (count + 8 <= end && differenceOf8(words, word + 2 * count, page + count) === 0) count += 8;
  while (count < end && words[word + 2 * count] >>> 0 === page + count && words[word + 2 * count + 1] === 0) count++;
  return count;
}

/** 0 when the eight entries from `word` on name adjacent pages from `page` on. */
function differenceOf8(words: Int32Array, word: number, page: PageNo): number {
  const low = page | 0;
  return (
    (words[word] ^ low) |
    (words[word + 2] ^ (low + 1)) |
    (words[word + 4] ^ (low + 2)) |
    (words[word + 6] ^ (low + 3)) |
    (words[word + 8] ^ (low + 4)) |
    (words[word + 10] ^ (low + 5)) |
    (words[word + 12] ^ (low + 6)) |
    (words[word + 14] ^ (low + 7)) |
    (words[word + 1] | words[word + 3] | words[word + 5] | words[word + 7]) |
    (words[word + 9] | words[word + 11] | words[word + 13] | words[word + 15])
  );
}

function damageOf({ geometry, blocks }: ScannedIndex, block: BlockNo, page: PageNo, high: number): EntryDamage | null {
  if (block >= geometry.maxBlocks) return "padding";
  if (high !== 0) return "high-word";
  if (page < geometry.firstDataPage || page >= geometry.pageCount) return "range";
  return block >= blocks ? "beyond-size" : null;
}

/** The damage in words. */
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
