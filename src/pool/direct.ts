/**
 * The direct way and the media. While the kernel reads and writes `data` by
 * itself the superblock says `direct`: the holes of `data` are the truth, and
 * its length is the disk's, so that reads end where the disk ends. Before and
 * after, `data` has the pool's length and the index is the truth.
 */
import type { DataFile, Memory } from "../base/ports.js";
import { type Errno, PAGE_BYTES } from "../base/units.js";
import type { Geometry } from "./geometry.js";
import { rebuildIndex } from "./rebuild.js";
import { STATE_CLEAN, STATE_DIRECT, STATE_DIRTY } from "./superblock.js";
import { updateSuperblock } from "./superblockStore.js";

/** Hands an open pool, every mapped block at home, to the direct way. @throws MediaError */
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
  return (
    // First what was written past the disk's end goes.
    data.setLength(blocks * PAGE_BYTES) ||
    data.setLength(geometry.dataPages * PAGE_BYTES) ||
    rebuildIndex(memory, geometry, blocks) ||
    memory.sync() ||
    updateSuperblock(memory, { state })
  );
}
