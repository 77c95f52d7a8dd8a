/**
 * The index from the holes of `data`: in a pool used in direct mode every block
 * that holds memory is at home, and the others are holes.
 */
import { assert } from "../base/assert.js";
import type { Memory } from "../base/ports.js";
import type { Errno, PageNo } from "../base/units.js";
import { pageWords, storeHomes } from "./entry.js";
import { ENTRIES_PER_PAGE, type Geometry } from "./geometry.js";
import { heldRuns } from "./scan.js";

export interface RebuiltIndex {
  /** ENOSPC, ENOMEM, EIO: the index is then as little to be trusted as before. */
  readonly errno: Errno;
  readonly mappedPages: number;
  /** Runs of adjacent pages. */
  readonly runs: number;
}

/**
 * Writes the whole index anew; index pages without an entry go back. Nobody else
 * uses the pool meanwhile, and its state says that the index is out of date.
 * @param blocks size of the file
 */
export function rebuildIndex(memory: Memory, geometry: Geometry, blocks: number): RebuiltIndex {
  const { firstDataPage, indexPages } = geometry;
  const dataEnd = firstDataPage + blocks;
  // The run of held pages that was found last; runs may span many index pages.
  let held = memory.nextHeld(firstDataPage, dataEnd);
  let heldEnd = memory.nextUnheld(held, dataEnd);
  let indexPage = 0;
  let mappedPages = 0;
  let runs = 0;
  while (held < dataEnd) {
    const next = Math.floor((held - firstDataPage) / ENTRIES_PER_PAGE);
    const errno = release(memory, 1 + indexPage, 1 + next) || memory.populate(1 + next, 1);
    if (errno !== 0) return { errno, mappedPages, runs };
    pageWords(memory, 1 + next).fill(0);
    const coveredEnd = Math.min(dataEnd, firstDataPage + (next + 1) * ENTRIES_PER_PAGE);
    while (held < coveredEnd) {
      const end = Math.min(heldEnd, coveredEnd);
      assert(end > held, "the holes of data make no progress");
      storeHomes(memory, geometry, held - firstDataPage, end - firstDataPage);
      mappedPages += end - held;
      held = end;
      if (held < heldEnd) continue;
      runs++;
      held = memory.nextHeld(heldEnd, dataEnd);
      heldEnd = memory.nextUnheld(held, dataEnd);
    }
    indexPage = next + 1;
  }
  return { errno: release(memory, 1 + indexPage, 1 + indexPages), mappedPages, runs };
}

/** Gives back what is reserved in the holes of the data, and what lies behind the file. */
export function releaseHoles(memory: Memory, geometry: Geometry, blocks: number): Errno {
  const { firstDataPage, pageCount } = geometry;
  const dataEnd = firstDataPage + blocks;
  let holeFrom = firstDataPage;
  for (const [held, end] of heldRuns(memory, firstDataPage, dataEnd)) {
    const errno = release(memory, holeFrom, held);
    if (errno !== 0) return errno;
    holeFrom = end;
  }
  return release(memory, holeFrom, pageCount);
}

function release(memory: Memory, from: PageNo, end: PageNo): Errno {
  return from < end ? memory.release(from, end - from) : 0;
}
