/**
 * Dump: what stands on the media, in order, for people who must look. Reads
 * only, takes any bytes, and keeps nothing: runs are told as they end.
 */
import type { Memory } from "../base/ports.js";
import type { BlockNo, PageNo } from "../base/units.js";
import { type CheckInput, type PoolState, stateName } from "./check.js";
import { type CopyState, readCopies } from "./copies.js";
import { PageSet } from "./pageSet.js";
import { describeDamage, type EntryDamage, scanIndex } from "./scan.js";
import { STATE_DIRECT, STATE_FORMATTING, type Superblock } from "./superblock.js";

export interface Run {
  readonly block: BlockNo;
  readonly page: PageNo;
  readonly count: number;
  readonly isHome: boolean;
}

export interface DumpEvents {
  /** First: both copies, and the one that counts, or null: then nothing follows. */
  superblock(copies: readonly CopyState[], newest: Superblock | null, state: PoolState): void;
  run(run: Run): void;
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

/** The holes of `data` tell what is mapped: the index counts for nothing. */
function dumpHeld(memory: Memory, { geometry, blocks }: Superblock, events: DumpEvents): void {
  const { firstDataPage, dataPages } = geometry;
  const end = firstDataPage + Math.min(blocks, dataPages);
  for (let page = memory.nextHeld(firstDataPage, end); page < end; page = memory.nextHeld(page, end)) {
    const first = page;
    page = memory.nextUnheld(page, end);
    events.run({ block: first - firstDataPage, page: first, count: page - first, isHome: true });
  }
}

function dumpIndex(memory: Memory, superblock: Superblock, events: DumpEvents): void {
  const { firstDataPage } = superblock.geometry;
  const taken = new PageSet(superblock.geometry);
  let [block, page, count] = [0, 0, 0];
  const end = (): void => {
    if (count > 0) events.run({ block, page, count, isHome: page === firstDataPage + block });
    count = 0;
  };
  scanIndex(memory, superblock, {
    present: () => {},
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
      events.damaged(damage, at, named, high, describeDamage(damage, superblock, at, named, high));
    },
  });
  end();
}
