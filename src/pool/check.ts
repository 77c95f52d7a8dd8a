/** Check: lists everything about a pool that is not as it must be. Changes nothing. */
import { MediaError } from "../base/errors.js";
import type { Memory } from "../base/ports.js";
import { FreeMap } from "./freeMap.js";
import { type Finding, scanIndex } from "./scan.js";
import {
  COPY_OFFSETS,
  decodeCopy,
  layoutProblem,
  type MediaLayout,
  STATE_CLEAN,
  STATE_DIRECT,
  STATE_FORMATTING,
  type Superblock,
} from "./superblock.js";

export interface CheckReport {
  readonly state: "clean" | "dirty" | "direct" | "formatting" | "unknown";
  readonly findings: readonly Finding[];
  readonly pageCount: number;
  readonly blocks: number;
  readonly usedPages: number;
}

/** The memory of the pool being checked, and how to let go of it. */
export interface CheckedMemory {
  readonly memory: Memory;
  close(): void;
}

/**
 * Checks both copies of the superblock and every entry.
 * @param page page 0, read without mapping
 * @param pageCount pages by the size of the file or device
 * @param media how the files lie
 * @param map maps the pool with so many metadata pages; called when the superblock is usable
 */
export function checkPool(
  page: Uint8Array,
  pageCount: number,
  media: MediaLayout,
  map: (metadataPages: number) => CheckedMemory,
): CheckReport {
  const findings: Finding[] = [];
  const superblock = checkSuperblock(page, pageCount, findings);
  if (superblock === null) return { state: "unknown", findings, pageCount, blocks: 0, usedPages: 0 };
  const { geometry, blocks } = superblock;
  const state = stateName(superblock.state);
  if (state === "formatting") {
    findings.push({ kind: "superblock", message: "state: the format was cut off", offsetBytes: 0 });
    return { state, findings, pageCount, blocks, usedPages: 0 };
  }
  const problem = layoutProblem(superblock, media);
  if (problem !== null) {
    findings.push({ kind: "superblock", message: `superblock: ${problem.message}`, offsetBytes: problem.offsetBytes });
    return { state, findings, pageCount, blocks, usedPages: 0 };
  }
  const checked = map(geometry.firstDataPage);
  try {
    // The next mount makes the index of a direct pool anew: whatever stands in it counts for nothing.
    const usedPages =
      state === "direct" ? countHeld(checked.memory, superblock) : checkIndex(checked.memory, superblock, findings);
    return { state, findings, pageCount, blocks, usedPages };
  } finally {
    checked.close();
  }
}

/** One copy may be old, or cut off while it was written: that is what the other is for. */
function checkSuperblock(page: Uint8Array, pageCount: number, findings: Finding[]): Superblock | null {
  let newest: Superblock | null = null;
  const errors: MediaError[] = [];
  for (const at of COPY_OFFSETS) {
    try {
      const copy = decodeCopy(page, at, pageCount);
      if (newest === null || copy.generation > newest.generation) newest = copy;
    } catch (error) {
      if (!(error instanceof MediaError)) throw error;
      errors.push(error);
    }
  }
  for (const error of errors) {
    findings.push({ kind: "superblock", message: `superblock: ${error.message}`, offsetBytes: error.offsetBytes });
  }
  return newest;
}

function checkIndex(memory: Memory, superblock: Superblock, findings: Finding[]): number {
  const { geometry } = superblock;
  const words = new Int32Array(FreeMap.wordsFor(geometry.dataPages));
  const summary = new Int32Array(FreeMap.summaryWordsFor(geometry.dataPages));
  const taken = new FreeMap(words, summary, geometry.dataPages);
  let usedPages = 0;
  scanIndex(memory, superblock, {
    present: () => {},
    run: (_block, page, count) => {
      const pages = taken.claimFrom(page - geometry.firstDataPage, count);
      usedPages += pages;
      return pages;
    },
    finding: (finding) => findings.push(finding),
  });
  return usedPages;
}

function countHeld(memory: Memory, { geometry, blocks }: Superblock): number {
  const end = geometry.firstDataPage + blocks;
  let pages = 0;
  for (let page = memory.nextHeld(geometry.firstDataPage, end); page < end; page = memory.nextHeld(page, end)) {
    const first = page;
    page = memory.nextUnheld(page, end);
    pages += page - first;
  }
  return pages;
}

function stateName(state: number): CheckReport["state"] {
  if (state === STATE_FORMATTING) return "formatting";
  if (state === STATE_DIRECT) return "direct";
  return state === STATE_CLEAN ? "clean" : "dirty";
}
