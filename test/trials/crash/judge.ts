/** Opens what a crash left and compares it with what was promised. */
import { PAGE_BYTES } from "../../../src/base/units.js";
import { ServedFile } from "../../../src/blockfile/servedFile.js";
import { TRAFFIC_DOUBLES, Traffic } from "../../../src/blockfile/traffic.js";
import { checkPool } from "../../../src/pool/check.js";
import type { Geometry } from "../../../src/pool/geometry.js";
import { PERSISTENT_WORDS } from "../../../src/pool/persistentState.js";
import type { Pool } from "../../../src/pool/pool.js";
import { probePool } from "../../../src/pool/probe.js";
import { allocateShared, type PoolShared } from "../../../src/pool/sharedState.js";
import { decode, INCOMPATIBLE_SPLIT, type Superblock } from "../../../src/pool/superblock.js";
import { superblockPage } from "../../../src/pool/superblockStore.js";
import type { PlainMemory } from "./plainMemory.js";
import { type BlockHistory, Promised } from "./promise.js";

/** A crash left what it must not. */
export class Violation extends Error {}

/** `killed`: the process died; `cut`: power failed, on a medium where only a flush makes durable. */
export type Crash = "killed" | "cut";

const zeros = Buffer.alloc(PAGE_BYTES);
const traffic = new Traffic(new Float64Array(TRAFFIC_DOUBLES), 0, { nowMs: () => 1 });
const shares = new Map<string, PoolShared>();

export interface OpenPool {
  readonly pool: Pool;
  readonly file: ServedFile;
  readonly geometry: Geometry;
  /** Blocks that are not on their home page. */
  readonly blocksAway: number;
}

/** @param atomicWrites see `ServedFile` @param own whether the pool lives on while others are judged */
export function openPool(memory: PlainMemory, options: { atomicWrites: boolean; own: boolean }): OpenPool {
  const superblock = superblockOf(memory);
  const { geometry } = superblock;
  const shared = options.own ? allocateShared(geometry, 1) : sharedFor(geometry);
  const persistentWords = new Int32Array(PERSISTENT_WORDS);
  const probed = probePool({ memory, geometry, shared, persistentWords, thread: 0 }, superblock, { readOnly: false });
  const { pool, blocksAway } = probed;
  const { atomicWrites } = options;
  const { zeroAddress } = memory;
  const file = new ServedFile({ pool, readOnly: false, atomicWrites, zeroAddress, zeroBytes: PAGE_BYTES, traffic });
  return { pool, file, geometry, blocksAway };
}

export function superblockOf(memory: PlainMemory): Superblock {
  return decode(superblockPage(memory), memory.pageCount);
}

/** Used again for each state, as it takes long to make. */
function sharedFor(geometry: Geometry): PoolShared {
  const name = `${geometry.dataPages} ${geometry.indexPages}`;
  const known = shares.get(name);
  if (known === undefined) {
    const made = allocateShared(geometry, 1);
    shares.set(name, made);
    return made;
  }
  known.control.fill(0);
  known.freeMap.fill(0);
  known.freeSummary.fill(0);
  known.present.fill(0);
  return known;
}

/** @param unitBytes a block may be a mix of its versions in units of so many bytes; 4096: it may not */
export function judgeServed(left: PlainMemory, promised: Promised, crash: Crash, unitBytes: number): OpenPool {
  requireNoFindings(left);
  const open = openPool(left, { atomicWrites: false, own: false });
  judgeOpen(left, open, promised, crash, unitBytes);
  return open;
}

export function requireNoFindings(left: PlainMemory): void {
  const page = superblockPage(left);
  const { incompatible } = decode(page, left.pageCount);
  const media = { split: (incompatible & INCOMPATIBLE_SPLIT) !== 0, metadataPages: left.metadataPages };
  const map = () => ({ memory: left, close: () => {} });
  checkPool(
    { page, pageCount: left.pageCount, media, map },
    {
      finding: ({ kind, message }) => {
        // The other copy is whole, or it would not have been decoded.
        if (kind !== "superblock-copy") throw new Violation(`check: ${message}`);
      },
    },
  );
}

export function judgeOpen(
  left: PlainMemory,
  open: OpenPool,
  promised: Promised,
  crash: Crash,
  unitBytes: number,
): void {
  const { pool, file } = open;
  requireSize(pool.blocks, promised, crash);
  let mapped = 0;
  for (const [block, history] of promised.histories) {
    if (block >= pool.blocks) continue;
    const page = pool.index.get(block);
    if (page !== 0) mapped++;
    requireKnown(block, history, page === 0 ? zeros : left.bytes, page * PAGE_BYTES, crash, unitBytes);
  }
  if (mapped !== pool.account.used) throw new Violation(`${pool.account.used} blocks have pages, ${mapped} may have`);
  requireAccount(left, open, crash === "killed" && !promised.namesHoles);
  requireEmptyHoles(left, pool, file, promised);
}

export function requireSize(blocks: number, promised: Promised, crash: Crash): void {
  const from = crash === "killed" ? promised.acknowledgedSize : 0;
  if (promised.sizes.indexOf(blocks, from) < 0) throw new Violation(`the size became ${blocks} blocks`);
}

/** Compares the 4096 bytes from `at` on with the versions of the block. */
export function requireKnown(
  block: number,
  { versions, acknowledged }: BlockHistory,
  bytes: Buffer,
  at: number,
  crash: Crash,
  unitBytes: number,
): void {
  const first = crash === "killed" ? acknowledged : 0;
  for (let unit = 0; unit < PAGE_BYTES; ) {
    // As many bytes as one version explains; whole blocks first, as most are.
    let known = 0;
    for (let i = versions.length - 1; i >= first && known === 0; i--) {
      const version = versions[i] ?? zeros;
      if (unit === 0 && bytes.compare(version, 0, PAGE_BYTES, at, at + PAGE_BYTES) === 0) return;
      if (unitBytes === PAGE_BYTES) continue;
      if (bytes.compare(version, unit, unit + unitBytes, at + unit, at + unit + unitBytes) === 0) known = unitBytes;
    }
    if (known === 0) {
      const found = bytes.subarray(at + unit, at + unit + 8).toString("hex");
      throw new Violation(`block ${block} is what it may not be, at byte ${unit}: ${found}`);
    }
    unit += known;
  }
}

/** Pages held are pages accounted for; only after a cut may an entry name a page that never reached the media. */
function requireAccount(left: PlainMemory, { pool, geometry }: OpenPool, exact: boolean): void {
  if (left.kind === "store") return;
  let metadata = 0;
  let used = 0;
  for (let page = 0; page < geometry.pageCount; page++) {
    if (left.held[page] !== 1) continue;
    if (page < geometry.firstDataPage) metadata++;
    else if (pool.allocator.isTaken(page)) used++;
    else throw new Violation(`page ${page} holds memory and no entry names it`);
  }
  const { account } = pool;
  if (metadata !== account.metadata) throw new Violation(`${metadata} metadata pages, ${account.metadata} counted`);
  if (used > account.used || (exact && used !== account.used)) {
    throw new Violation(`${used} pages are held, ${account.used} counted`);
  }
}

/** Gives the holes memory and sees zeros in them. */
function requireEmptyHoles(left: PlainMemory, pool: Pool, file: ServedFile, promised: Promised): void {
  const end = Math.min(pool.blocks, promised.maxBlocks);
  for (let block = 0; block < end && pool.account.free > 0; block++) {
    if (pool.index.get(block) !== 0) continue;
    if (file.reserve(block * PAGE_BYTES, PAGE_BYTES) !== 0) return;
    const page = pool.index.get(block);
    const at = page * PAGE_BYTES;
    if (page === 0 || left.bytes.compare(zeros, 0, PAGE_BYTES, at, at + PAGE_BYTES) !== 0) {
      throw new Violation(`block ${block} was reserved and shows what was there before`);
    }
  }
}

/** What is on the media now is all that was ever promised. @param before tells which blocks may be no holes */
export function promisedAsFound(memory: PlainMemory, before: Promised): Promised {
  const found = new Promised(superblockOf(memory).blocks, before.maxBlocks);
  const words = memory.metadataWords(0);
  for (const block of before.histories.keys()) {
    const at = ((words[(PAGE_BYTES + 8 * block) / 4] as number) >>> 0) * PAGE_BYTES;
    if (at !== 0) found.add(block, Buffer.from(memory.bytes.subarray(at, at + PAGE_BYTES)));
  }
  found.namesHoles = true;
  found.flushed();
  return found;
}
