/**
 * What the threads of a server share beside the pool itself. All of it is
 * rebuilt from the index at probe: a killed server loses nothing here. What must
 * not be lost with it is in `persistentState.ts`.
 */
import { BitSet } from "../base/bitset.js";
import { EPOCH_WORDS } from "./epochs.js";
import type { Geometry } from "./geometry.js";

/** Runs that limbo can hold; a discard that needs more waits for the grace period in between. */
export const LIMBO_RUNS = 4096;

/** Word offsets in `PoolShared.control`. A cache line is 16 words: limbo's words and the epochs begin one of their own. */
export const CONTROL = {
  mutex: 0,
  /** Not 0: a broken invariant or a failed medium stopped all writes. */
  writesStopped: 1,
  /** Where the next search for a page begins, in data pages. */
  cursor: 2,
  /** Always 0: slept on with a time limit. */
  pause: 3,
  /** Syncs of the media that were begun. */
  syncsBegun: 4,
  /** Not 0: the machine itself is short of memory. */
  memoryShort: 5,
  /** Held while the pool is put on the media; taken inside the other mutex or alone. */
  syncMutex: 6,
  /** Requests that may have pages which no entry names, and which are neither free nor in limbo. */
  inTransit: 7,
  /** Pages that are lost together, 0 for one; a power of two. */
  lostGrain: 8,
  /** Faults on lost memory whose pages are noted. */
  faultsSeen: 9,
  limboHead: 16,
  limboSynced: 17,
  limboTail: 18,
  epochs: 32,
} as const;

const CONTROL_WORDS = CONTROL.epochs + EPOCH_WORDS;

/** Plain data, sent to worker threads by reference. */
export interface PoolShared {
  readonly control: Int32Array<SharedArrayBuffer>;
  readonly freeMap: Int32Array<SharedArrayBuffer>;
  readonly freeSummary: Int32Array<SharedArrayBuffer>;
  readonly present: Int32Array<SharedArrayBuffer>;
  /** One bit a grain that holds memory; empty where a grain is one page. */
  readonly grains: Int32Array<SharedArrayBuffer>;
  /** Triples of first page, page count, epoch. */
  readonly limboRuns: Int32Array<SharedArrayBuffer>;
}

/** Memory of which nothing is touched until it is used: 1 bit a page, plus a constant. */
export function allocateShared(geometry: Geometry, grainPages: number): PoolShared {
  const freeWords = BitSet.wordsFor(geometry.dataPages);
  const grainWords = grainPages === 1 ? 0 : BitSet.wordsFor(Math.ceil(geometry.pageCount / grainPages));
  return {
    control: sharedWords(CONTROL_WORDS),
    freeMap: sharedWords(freeWords),
    freeSummary: sharedWords(BitSet.wordsFor(freeWords)),
    present: sharedWords(BitSet.wordsFor(geometry.indexPages)),
    grains: sharedWords(grainWords),
    limboRuns: sharedWords(3 * LIMBO_RUNS),
  };
}

function sharedWords(words: number): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(words * 4));
}
