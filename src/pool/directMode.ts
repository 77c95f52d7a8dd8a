/**
 * Direct mode and the media. While the kernel reads and writes `data` by
 * itself the superblock says `direct`: the holes of `data` tell what is mapped,
 * and its length is the disk's, so that reads end where the disk ends. Before
 * and after, `data` has the pool's length and the index tells what is mapped.
 */
import { assert } from "../base/assert.js";
import type { DataFile, Memory } from "../base/ports.js";
import { type Errno, PAGE_BYTES, type PageNo } from "../base/units.js";
import { pageWords, storeHomes } from "./entry.js";
import { ENTRIES_PER_PAGE, type Geometry } from "./geometry.js";
import { heldRuns } from "./scan.js";
import { STATE_CLEAN, STATE_DIRECT, STATE_DIRTY } from "./superblock.js";
import { updateSuperblock } from "./superblockStore.js";

/** Extents per block of a file system's extent tree: fewer than ext4, xfs and btrfs store. */
const RUNS_PER_BLOCK = 64;

/** Switches an open pool to direct mode. Every mapped block must be at home. @throws MediaError */
export function beginDirect(memory: Memory, data: DataFile, blocks: number): Errno {
  // Every mapped page is on the media before the index is out of date.
  return memory.sync() || updateSuperblock(memory, { state: STATE_DIRECT }) || data.setLength(blocks * PAGE_BYTES);
}

/** Restores the index at the end of a mount. @throws MediaError */
export function endDirect(memory: Memory, data: DataFile, geometry: Geometry, blocks: number): Errno {
  return restoreIndex(memory, data, geometry, blocks, STATE_CLEAN);
}

/** Restores the index of a pool that was not closed in direct mode, so that it can be probed. @throws MediaError */
export function recoverDirect(memory: Memory, data: DataFile, geometry: Geometry, blocks: number): Errno {
  return restoreIndex(memory, data, geometry, blocks, STATE_DIRTY);
}

/** Can be repeated after a crash at any point: the state changes last. */
function restoreIndex(memory: Memory, data: DataFile, geometry: Geometry, blocks: number, state: number): Errno {
  const diskBytes = blocks * PAGE_BYTES;
  // Writes reach the media before the holes are read; what was written past the disk's end is truncated.
  const errno = memory.sync() || data.setLength(diskBytes) || data.setLength(geometry.dataPages * PAGE_BYTES);
  if (errno !== 0) return errno;
  const failed = rebuild(memory, data, geometry, blocks) || memory.sync();
  if (failed === 0) return updateSuperblock(memory, { state });
  // The length that a pool in direct use has, so that it can still be opened read-only.
  data.setLength(diskBytes);
  return failed;
}

function rebuild(memory: Memory, data: DataFile, geometry: Geometry, blocks: number): Errno {
  const { errno, mappedPages, runs } = rebuildIndex(memory, geometry, blocks);
  if (errno !== 0) return errno;
  // Punching every hole is slow on a disk, so it is done only when more is held than data and extent tree need.
  const ownPages = memory.durable ? Math.ceil(runs / RUNS_PER_BLOCK) : 0;
  return data.heldPages() > mappedPages + ownPages ? releaseHoles(memory, geometry, blocks) : 0;
}

interface RebuiltIndex {
  /** ENOSPC, ENOMEM, EIO: the index is still out of date. */
  readonly errno: Errno;
  readonly mappedPages: number;
  /** Runs of adjacent pages. */
  readonly runs: number;
}

/**
 * Rebuilds the whole index from the holes of `data`, where every block that holds
 * memory is at home; releases index pages without an entry. The caller must be the
 * pool's only user, and its state must say that the index is out of date.
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

/** Releases memory reserved in the holes of `data` and past the end of the file. */
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
