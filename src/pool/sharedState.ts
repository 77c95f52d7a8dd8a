/**
 * What the threads of a server share besides the pool itself. All of it is
 * rebuilt from the index at probe, so a killed server loses nothing here. State
 * that must survive a server is in `persistentState.ts`.
 */
import { BitSet } from "../base/bitset.js";
import { EPOCH_WORDS } from "./epochs.js";
import type { Geometry } from "./geometry.js";

/** Runs that limbo can hold. A discard that needs more waits for the grace period in between. */
export const LIMBO_RUNS = 4096;

/** Word offsets in `PoolShared.control`. A cache line is 16 words: limbo's words and the epochs begin one of their own. */
export const CONTROL = {
  mutex: 0,
  /** Not 0 when a broken invariant or a failed medium stopped all writes. */
  writesStopped: 1,
  /** Where the next search for a page begins, in data pages. */
  cursor: 2,
  /** Always 0: a wait on it is a sleep. */
  pause: 3,
  /** Number of syncs begun. */
  syncsBegun: 4,
  /** Not 0 while the machine is short of memory. */
  memoryShort: 5,
  /** Held during a sync; taken inside the other mutex or alone. */
  syncMutex: 6,
  /** Number of requests that may have pages in transit: neither named by an entry, nor free, nor in limbo. */
  inTransit: 7,
  /** Number of pages lost together, a power of two; 0 for one. */
  lostGrain: 8,
  /** Number of faults on lost memory whose pages are recorded. */
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
  /** One bit per grain that holds memory; empty where a grain is one page. */
  readonly grains: Int32Array<SharedArrayBuffer>;
  /** Triples of first page, page count, epoch. */
  readonly limboRuns: Int32Array<SharedArrayBuffer>;
}

/** One bit per page plus a constant; memory that is not touched until it is used. */
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
