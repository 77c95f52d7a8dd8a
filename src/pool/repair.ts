/**
 * Repair: makes a damaged pool valid; the result depends only on the damage. A
 * wrong entry becomes a hole; of duplicates the lowest block keeps the page and
 * each other gets a private copy. Everything that changes is saved before the
 * first change. Then the copies are made, synced, entries stored, synced, and
 * the superblock is written last: after a crash at any point repair can be run
 * again and ends in the same state. Only the pages of copies are written.
 */
import { BitSet } from "../base/bitset.js";
import { must, UserError } from "../base/errors.js";
import type { Memory } from "../base/ports.js";
import { type BlockNo, type ByteOffset, PAGE_BYTES, type PageNo } from "../base/units.js";
import { entryOffset, storeEntry } from "./entry.js";
import { homePage } from "./geometry.js";
import { type EntryDamage, scanIndex } from "./scan.js";
import {
  COPY_BYTES,
  COPY_OFFSETS,
  encode,
  isWritable,
  MAX_GENERATION,
  STATE_DIRECT,
  STATE_FORMATTING,
  type Superblock,
} from "./superblock.js";
import { type CopyWrite, planCopies } from "./superblockCopies.js";
import { superblockPage } from "./superblockStore.js";

/** Keeps what repair is going to change. The methods throw UserError. */
export interface UndoLog {
  /** The bytes from `at` on before and after the repair. */
  save(at: ByteOffset, oldBytes: Uint8Array, newBytes: Uint8Array): void;
  /** Free pages that copies will use. */
  made(page: PageNo, count: number): void;
  /** The log is complete; returns when it is on the media. */
  seal(): void;
}

export interface RepairEvents {
  /** `block` of the file becomes a hole. */
  lost(block: BlockNo, page: PageNo, damage: EntryDamage): void;
  /** `block` shared `page` with a lower one and gets a copy of it, which may be the other block's content. */
  suspect(block: BlockNo, page: PageNo, copyPage: PageNo): void;
}

export interface RepairSummary {
  readonly lostBlocks: number;
  readonly suspectBlocks: number;
  /** Entries outside the file that were cleared. */
  readonly clearedEntries: number;
  /** Copies of the superblock that were written. */
  readonly writtenCopies: number;
}

/** @param target the page of the private copy, or 0 for a hole */
type Change = (damage: EntryDamage, block: BlockNo, page: PageNo, high: number, target: PageNo) => void;

const BATCH = 1024;

/**
 * Repairs the pool that `memory` covers, as its only user.
 * @param superblock the valid copy, or a rebuilt one to be written
 * @throws UserError when the pool cannot be repaired, or the medium fails; it can be run again
 */
export function repairPool(memory: Memory, superblock: Superblock, undo: UndoLog, events: RepairEvents): RepairSummary {
  requireRepairable(superblock);
  // The next mount rebuilds the index of a pool in direct use.
  const damaged = superblock.state !== STATE_DIRECT && surveyIndex(memory, superblock).damagedEntries > 0;
  const page = superblockPage(memory);
  const writes = planCopies(page, superblock, damaged);
  const summary = { lostBlocks: 0, suspectBlocks: 0, clearedEntries: 0, writtenCopies: writes.length };
  if (!damaged && writes.length === 0) return summary;
  if (damaged) {
    walk(memory, superblock, (_damage, block, from, high, target) => {
      const old = new Int32Array([from | 0, high | 0]);
      const next = new Int32Array([target | 0, 0]);
      undo.save(entryOffset(block), new Uint8Array(old.buffer), new Uint8Array(next.buffer));
      if (target !== 0) undo.made(target, 1);
    });
  }
  saveCopies(page, writes, undo);
  undo.seal();
  if (damaged) repairIndex(memory, superblock, events, summary);
  for (const { at, superblock: copy } of writes) writeCopy(memory, at, copy);
  return summary;
}

/** @throws UserError */
function requireRepairable(superblock: Superblock): void {
  if (superblock.state === STATE_FORMATTING) {
    const cure = "kmemfs format --force";
    throw new UserError("pool", "its format was interrupted, so there is nothing to repair", { code: "EINVAL", cure });
  }
  // A copy with a higher generation would be refused, and the pool could not be opened again.
  if (superblock.generation > MAX_GENERATION - 2) {
    throw new UserError("pool", "the generation of its superblock is at its maximum", { code: "EINVAL" });
  }
  if (isWritable(superblock)) return;
  throw new UserError("pool", "it has features that this version supports only for reading", { code: "EROFS" });
}

/** The pages named by valid entries, each by its lowest block, and the number of wrong entries. */
function surveyIndex(memory: Memory, superblock: Superblock): { taken: BitSet; damagedEntries: number } {
  const taken = BitSet.ofSize(superblock.geometry.pageCount);
  let damagedEntries = 0;
  scanIndex(memory, superblock, {
    run: (_block, page, count) => taken.addRun(page, count),
    damaged: () => void damagedEntries++,
  });
  return { taken, damagedEntries };
}

/**
 * Calls `change` for each wrong entry with its repair, in order. Run again when
 * some entries are repaired it decides the same for the others: a page is chosen
 * from the free ones, and those chosen before are taken by then.
 */
function walk(memory: Memory, superblock: Superblock, change: Change): void {
  const { geometry } = superblock;
  const { taken } = surveyIndex(memory, superblock);
  let lowestFree = geometry.firstDataPage;
  const seen = BitSet.ofSize(geometry.pageCount);
  scanIndex(memory, superblock, {
    run: (_block, page, count) => seen.addRun(page, count),
    damaged: (damage, block, page, high) => {
      let target = 0;
      if (damage === "duplicate") {
        const home = homePage(geometry, block);
        lowestFree = taken.nextAbsent(lowestFree, geometry.pageCount);
        target = home < geometry.pageCount && !taken.has(home) ? home : lowestFree;
        if (target === geometry.pageCount) target = 0;
        if (target !== 0) taken.add(target);
      }
      change(damage, block, page, high, target);
    },
  });
}

function repairIndex(
  memory: Memory,
  superblock: Superblock,
  events: RepairEvents,
  summary: { -readonly [K in keyof RepairSummary]: number },
): void {
  const batch = new Batch(memory);
  walk(memory, superblock, (damage, block, page, _high, target) => {
    if (target !== 0) {
      summary.suspectBlocks++;
      events.suspect(block, page, target);
    } else if (block < superblock.blocks) {
      summary.lostBlocks++;
      events.lost(block, page, damage);
    } else {
      summary.clearedEntries++;
    }
    batch.add(block, page, target);
  });
  batch.commit();
}

class Batch {
  private moves: { block: BlockNo; from: PageNo; to: PageNo }[] = [];

  constructor(private readonly memory: Memory) {}

  add(block: BlockNo, from: PageNo, to: PageNo): void {
    this.moves.push({ block, from, to });
    if (this.moves.length === BATCH) this.commit();
  }

  /** @throws UserError */
  commit(): void {
    const { memory, moves } = this;
    if (moves.length === 0) return;
    for (const { block, from, to } of moves) {
      if (to === 0) continue;
      const source = memory.baseAddress + from * PAGE_BYTES;
      must(memory.fill(to, 1, 0, source, PAGE_BYTES), `block ${block} cannot be copied`);
    }
    must(memory.sync(), "the copies cannot be flushed");
    for (const { block, to } of moves) storeEntry(memory, block, to);
    must(memory.sync(), "the index cannot be flushed");
    this.moves = [];
  }
}

/** Saves both copies, changed or not: by them undo sees that the pool has not been used since. */
function saveCopies(page: Uint8Array, writes: readonly CopyWrite[], undo: UndoLog): void {
  for (const at of COPY_OFFSETS) {
    const old = page.slice(at, at + COPY_BYTES);
    const write = writes.find((one) => one.at === at);
    undo.save(at, old, write === undefined ? old : encode(write.superblock));
  }
}

/** @throws UserError */
function writeCopy(memory: Memory, at: ByteOffset, superblock: Superblock): void {
  must(memory.populate(0, 1), "the superblock cannot be written");
  memory.metadataWords(0).set(new Int32Array(encode(superblock).buffer), at / 4);
  memory.persist(at, COPY_BYTES);
  must(memory.sync(), "the superblock cannot be flushed");
}
