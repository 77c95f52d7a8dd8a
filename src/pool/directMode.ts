/**
 * Direct mode and the media. While the kernel reads and writes `data` by
 * itself the superblock says `direct`: the holes of `data` are the truth, and
 * its length is the disk's, so that reads end where the disk ends. Before and
 * after, `data` has the pool's length and the index is the truth.
 */
import type { DataFile, Memory } from "../base/ports.js";
import { type Errno, PAGE_BYTES } from "../base/units.js";
import type { Geometry } from "./geometry.js";
import { rebuildIndex, releaseHoles } from "./rebuild.js";
import { STATE_CLEAN, STATE_DIRECT, STATE_DIRTY } from "./superblock.js";
import { updateSuperblock } from "./superblockStore.js";

/** Fewer than ext4, xfs and btrfs put into a block of their trees of extents. */
const RUNS_PER_BLOCK = 64;

/** Hands an open pool, every mapped block at home, to direct mode. @throws MediaError */
export function beginDirect(memory: Memory, data: DataFile, blocks: number): Errno {
  // All that entries name is held, and on the media, before they stop to count.
  return memory.sync() || updateSuperblock(memory, { state: STATE_DIRECT }) || data.setLength(blocks * PAGE_BYTES);
}

/** Gives the pool of a mount that ends its index back. @throws MediaError */
export function endDirect(memory: Memory, data: DataFile, geometry: Geometry, blocks: number): Errno {
  return restoreIndex(memory, data, geometry, blocks, STATE_CLEAN);
}

/** Makes a pool whose direct way was cut off one that can be probed. @throws MediaError */
export function recoverDirect(memory: Memory, data: DataFile, geometry: Geometry, blocks: number): Errno {
  return restoreIndex(memory, data, geometry, blocks, STATE_DIRTY);
}

/** Cut off at any point it can be done again: the state is the last thing that changes. */
function restoreIndex(memory: Memory, data: DataFile, geometry: Geometry, blocks: number, state: number): Errno {
  const diskBytes = blocks * PAGE_BYTES;
  // What was written is settled before its holes are believed, and what was written past the disk's end goes.
  const errno = memory.sync() || data.setLength(diskBytes) || data.setLength(geometry.dataPages * PAGE_BYTES);
  if (errno !== 0) return errno;
  const failed = rebuild(memory, data, geometry, blocks) || memory.sync();
  if (failed === 0) return updateSuperblock(memory, { state });
  // As a pool in direct use is: then it can still be looked at.
  data.setLength(diskBytes);
  return failed;
}

function rebuild(memory: Memory, data: DataFile, geometry: Geometry, blocks: number): Errno {
  const { errno, mappedPages, runs } = rebuildIndex(memory, geometry, blocks);
  if (errno !== 0) return errno;
  // A punch a hole takes long on a disk. What a file system itself needs to find many runs is nothing to give back.
  const ownPages = memory.durable ? Math.ceil(runs / RUNS_PER_BLOCK) : 0;
  return data.heldPages() > mappedPages + ownPages ? releaseHoles(memory, geometry, blocks) : 0;
}
