/**
 * Dump: reports what is on the media, in order. Only reads, accepts any bytes,
 * and keeps nothing in memory: each run is reported as it ends.
 */
import { BitSet } from "../base/bitset.js";
import type { Memory } from "../base/ports.js";
import type { BlockNo, PageNo } from "../base/units.js";
import { type CheckInput, type PoolState, stateName } from "./check.js";
import { homePage } from "./geometry.js";
import { describeEntryDamage, type EntryDamage, heldRuns, scanIndex } from "./scan.js";
import { STATE_DIRECT, STATE_FORMATTING, type Superblock } from "./superblock.js";
import { type CopyState, readCopies } from "./superblockCopies.js";

export interface DumpedExtent {
  readonly block: BlockNo;
  readonly page: PageNo;
  readonly count: number;
  readonly isHome: boolean;
}

export interface DumpEvents {
  /** Called first, with both copies and the valid one, or null, after which nothing follows. */
  superblock(copies: readonly CopyState[], newest: Superblock | null, state: PoolState): void;
  run(run: DumpedExtent): void;
  damaged(damage: EntryDamage, block: BlockNo, page: PageNo, high: number, message: string): void;
}

export function dumpPool(input: CheckInput, events: DumpEvents): void {
  const { copies, newest } = readCopies(input.page, input.pageCount, input.media);
  events.superblock(copies, newest, newest === null ? "unknown" : stateName(newest.state));
  if (newest === null || newest.state === STATE_FORMATTING) return;
  const { memory, close } = input.map(newest.geometry.firstDataPage);
  try {
    if (newest.state === STATE_DIRECT) dumpHeld(memory, newest, events);
    else dumpIndex(memory, newest, events);
  } finally {
    close();
  }
}

/** In direct mode the holes of `data` tell what is mapped; the index is out of date. */
function dumpHeld(memory: Memory, { geometry, blocks }: Superblock, events: DumpEvents): void {
  const { firstDataPage, dataPages } = geometry;
  for (const [page, end] of heldRuns(memory, firstDataPage, firstDataPage + Math.min(blocks, dataPages))) {
    events.run({ block: page - firstDataPage, page, count: end - page, isHome: true });
  }
}

function dumpIndex(memory: Memory, superblock: Superblock, events: DumpEvents): void {
  const taken = BitSet.ofSize(superblock.geometry.pageCount);
  let [block, page, count] = [0, 0, 0];
  const end = (): void => {
    if (count > 0) events.run({ block, page, count, isHome: page === homePage(superblock.geometry, block) });
    count = 0;
  };
  scanIndex(memory, superblock, {
    run: (nextBlock, nextPage, most) => {
      const pages = taken.addRun(nextPage, most);
      if (pages === 0) return 0;
      if (count === 0 || nextBlock !== block + count || nextPage !== page + count) {
        end();
        [block, page] = [nextBlock, nextPage];
      }
      count += pages;
      return pages;
    },
    damaged: (damage, at, named, high) => {
      end();
      events.damaged(damage, at, named, high, describeEntryDamage(damage, superblock, at, named, high));
    },
  });
  end();
}
