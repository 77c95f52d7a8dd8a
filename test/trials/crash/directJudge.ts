/** A pool that was in use in direct mode, or on the way there or back, opened in either way. */
import { PAGE_BYTES } from "../../../src/base/units.js";
import { DirectFile } from "../../../src/blockfile/directFile.js";
import { TRAFFIC_DOUBLES, Traffic } from "../../../src/blockfile/traffic.js";
import { Account } from "../../../src/pool/account.js";
import { beginDirect, recoverDirect } from "../../../src/pool/directMode.js";
import { PERSISTENT_WORDS } from "../../../src/pool/persistentState.js";
import { allocateShared } from "../../../src/pool/sharedState.js";
import { STATE_DIRECT } from "../../../src/pool/superblock.js";
import { type Crash, judgeServed, openPool, requireKnown, requireSize, superblockOf, Violation } from "./judge.js";
import { dataFileOf, type PlainMemory } from "./plainMemory.js";
import type { Promised } from "./promise.js";

const SECTOR_BYTES = 512;
const zeros = Buffer.alloc(PAGE_BYTES);
const traffic = new Traffic(new Float64Array(TRAFFIC_DOUBLES), 0, { nowMs: () => 1 });

/** As a mount does it: probed first, unless it was direct. */
export function openDirect(memory: PlainMemory, persistentWords = new Int32Array(PERSISTENT_WORDS)): DirectFile {
  const { state, geometry, blocks } = superblockOf(memory);
  if (state !== STATE_DIRECT) {
    const { blocksAway } = openPool(memory, { atomicWrites: false, own: true });
    if (blocksAway > 0) throw new Violation(`${blocksAway} blocks are not on their home pages`);
  }
  const data = dataFileOf(memory);
  const errno = beginDirect(memory, data, blocks);
  if (errno !== 0) throw new Violation(`direct: errno ${errno}`);
  new Account(persistentWords, geometry.dataPages).setBlocks(blocks);
  const { control } = allocateShared(geometry, 1);
  return new DirectFile({ memory, data, geometry, persistentWords, control, traffic, readOnly: false });
}

export function judgeDirect(left: PlainMemory, promised: Promised, crash: Crash, way: "served" | "direct"): void {
  const { state, geometry, blocks } = superblockOf(left);
  requireSize(blocks, promised, crash);
  const wholeBytes = geometry.dataPages * PAGE_BYTES;
  if (state !== STATE_DIRECT && left.dataLengthBytes !== wholeBytes) {
    throw new Violation(`state ${state}, and data is ${left.dataLengthBytes} bytes long`);
  }
  if (left.dataLengthBytes < blocks * PAGE_BYTES) throw new Violation("data is shorter than the disk");
  if (way === "served") {
    if (state === STATE_DIRECT) {
      const errno = recoverDirect(left, dataFileOf(left), geometry, blocks);
      if (errno !== 0) throw new Violation(`recovery: errno ${errno}`);
    }
    const { blocksAway } = judgeServed(left, promised, crash, SECTOR_BYTES);
    if (blocksAway > 0) throw new Violation(`${blocksAway} blocks are not on their home pages`);
    return;
  }
  const file = openDirect(left);
  if (left.dataLengthBytes !== blocks * PAGE_BYTES) throw new Violation("data has not the disk's length");
  for (let block = 0; block < blocks; block++) {
    const at = (geometry.firstDataPage + block) * PAGE_BYTES;
    requireKnown(block, promised.historyOf(block), left.bytes, at, crash, SECTOR_BYTES);
  }
  if (file.resize(geometry.maxBlocks * PAGE_BYTES) !== 0) throw new Violation("it does not grow");
  for (let block = blocks; block < geometry.maxBlocks; block++) {
    const at = (geometry.firstDataPage + block) * PAGE_BYTES;
    if (left.bytes.compare(zeros, 0, PAGE_BYTES, at, at + PAGE_BYTES) === 0) continue;
    throw new Violation(`block ${block} lies past the end and shows when the file grows`);
  }
}
