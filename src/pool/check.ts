/**
 * Check: tells everything about a pool that is not as it must be, as it finds
 * it. Changes nothing. Memory: two bits a page, and what `Owners` keeps.
 */
import { assert } from "../base/assert.js";
import { BitSet } from "../base/bitset.js";
import type { Memory } from "../base/ports.js";
import { bytesToPagesFloor, PAGE_BYTES, pagesToBytes } from "../base/units.js";
import type { Finding } from "./findings.js";
import { ENTRIES_PER_PAGE, homePage } from "./geometry.js";
import { Owners } from "./pageOwners.js";
import { heldRuns, scanIndex } from "./scan.js";
import { type MediaLayout, STATE_CLEAN, STATE_DIRECT, STATE_FORMATTING, type Superblock } from "./superblock.js";
import { copyFindings, readCopies } from "./superblockCopies.js";

export type PoolState = "clean" | "dirty" | "direct" | "formatting" | "unknown";

export interface CheckSummary {
  readonly state: PoolState;
  readonly findingCount: number;
  readonly pageCount: number;
  readonly blocks: number;
  readonly usedPages: number;
}

/** The memory of the pool being checked, and how to let go of it. */
export interface CheckedMemory {
  readonly memory: Memory;
  close(): void;
}

export interface CheckInput {
  /** Page 0, read without mapping. */
  readonly page: Uint8Array;
  /** Pages by the size of the file or device. */
  readonly pageCount: number;
  readonly media: MediaLayout;
  /** Length of `data` of a split pool as it is. */
  readonly dataBytes?: number;
  /** Maps the pool with so many metadata pages; called when the superblock is usable. */
  map(metadataPages: number): CheckedMemory;
}

export interface CheckEvents {
  finding(finding: Finding): void;
  /** Told now and then. */
  progress?(doneEntries: number, totalEntries: number): void;
}

/** Checks both copies of the superblock and every entry. */
export function checkPool(input: CheckInput, events: CheckEvents): CheckSummary {
  const { page, pageCount, media } = input;
  let findingCount = 0;
  const tell = (finding: Finding): void => {
    findingCount++;
    events.finding(finding);
  };
  const copies = readCopies(page, pageCount, media);
  copyFindings(copies, tell);
  const superblock = copies.newest;
  if (superblock === null) return { state: "unknown", findingCount, pageCount, blocks: 0, usedPages: 0 };
  const { geometry, blocks } = superblock;
  const state = stateName(superblock.state);
  let usedPages = 0;
  if (state === "formatting") {
    tell({ kind: "superblock", message: "state: the format was interrupted", offsetBytes: 0 });
  } else {
    if (state === "direct") checkDataLength(superblock, input.dataBytes, tell);
    const checked = input.map(geometry.firstDataPage);
    try {
      // The next mount makes the index of a direct pool anew: whatever stands in it counts for nothing.
      usedPages =
        state === "direct"
          ? countHeld(checked.memory, superblock)
          : checkIndex(checked.memory, superblock, { ...events, finding: tell });
    } finally {
      checked.close();
    }
  }
  return { state, findingCount, pageCount, blocks, usedPages };
}

function checkDataLength(
  { geometry, blocks }: Superblock,
  dataBytes: number | undefined,
  tell: CheckEvents["finding"],
) {
  if (dataBytes === undefined || dataBytes >= blocks * PAGE_BYTES) return;
  const held = bytesToPagesFloor(dataBytes);
  tell({
    kind: "data-size",
    message: `data is ${dataBytes} bytes long instead of ${blocks * PAGE_BYTES}: blocks ${held} to ${blocks - 1} are lost`,
    blockNo: held,
    pageNo: homePage(geometry, held),
    offsetBytes: pagesToBytes(homePage(geometry, held)),
  });
}

/** @returns the pages that valid entries name */
function checkIndex(memory: Memory, superblock: Superblock, events: CheckEvents): number {
  const { geometry } = superblock;
  const taken = BitSet.ofSize(geometry.pageCount);
  const owners = new Owners(memory, superblock, events.finding);
  const totalEntries = geometry.indexPages * ENTRIES_PER_PAGE;
  let usedPages = 0;
  scanIndex(memory, superblock, {
    present: (indexPage) => events.progress?.(indexPage * ENTRIES_PER_PAGE, totalEntries),
    run: (_block, page, count) => {
      const pages = taken.addRun(page, count);
      usedPages += pages;
      return pages;
    },
    damaged: (damage, block, page, high) => owners.add(damage, block, page, high),
  });
  owners.flush();
  assert(usedPages <= geometry.dataPages, "more pages are used than exist");
  return usedPages;
}

function countHeld(memory: Memory, { geometry, blocks }: Superblock): number {
  const end = homePage(geometry, Math.min(blocks, geometry.dataPages));
  let pages = 0;
  for (const [held, heldEnd] of heldRuns(memory, geometry.firstDataPage, end)) pages += heldEnd - held;
  return pages;
}

export function stateName(state: number): PoolState {
  if (state === STATE_FORMATTING) return "formatting";
  if (state === STATE_DIRECT) return "direct";
  return state === STATE_CLEAN ? "clean" : "dirty";
}
