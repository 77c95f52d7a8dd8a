/**
 * Check: reports everything that is wrong with a pool, in the order it is found.
 * Changes nothing. Needs at most four bits of memory per page, and a few words for each page with two owners.
 */
import { assert } from "../base/assert.js";
import { BitSet } from "../base/bitset.js";
import type { Memory } from "../base/ports.js";
import { type BlockNo, bytesToPagesFloor, PAGE_BYTES, type PageNo, pagesToBytes } from "../base/units.js";
import { entryOffset } from "./entry.js";
import type { Finding } from "./findings.js";
import { ENTRIES_PER_PAGE, homePage } from "./geometry.js";
import { describeEntryDamage, type EntryDamage, heldRuns, scanIndex } from "./scan.js";
import { type MediaLayout, STATE_CLEAN, STATE_DIRECT, STATE_FORMATTING, type Superblock } from "./superblock.js";
import { copyFindings, readCopies } from "./superblockCopies.js";

export type PoolState = "clean" | "dirty" | "direct" | "formatting" | "unknown";

export interface CheckSummary {
  readonly state: PoolState;
  readonly findingCount: number;
  readonly pageCount: number;
  readonly blocks: number;
  readonly usedPages: number;
}

/** The mapped memory of the pool being checked; `close` unmaps it. */
export interface CheckedMemory {
  readonly memory: Memory;
  close(): void;
}

export interface CheckInput {
  /** Page 0, read without mapping. */
  readonly page: Uint8Array;
  /** Number of pages, from the size of the file or device. */
  readonly pageCount: number;
  readonly media: MediaLayout;
  /** Actual length of a split pool's `data`. */
  readonly dataBytes?: number;
  /** Maps the pool with `metadataPages` metadata pages. Called once the superblock is known to be usable. */
  map(metadataPages: number): CheckedMemory;
}

export interface CheckEvents {
  finding(finding: Finding): void;
  /** Called once per index page that holds memory. */
  progress?(doneEntries: number, totalEntries: number): void;
}

/** Checks both copies of the superblock and every entry. */
export function checkPool(input: CheckInput, events: CheckEvents): CheckSummary {
  const { page, pageCount, media } = input;
  let findingCount = 0;
  const tell = (finding: Finding): void => {
    findingCount++;
    events.finding(finding);
  };
  const copies = readCopies(page, pageCount, media);
  copyFindings(copies, tell);
  const superblock = copies.newest;
  if (superblock === null) return { state: "unknown", findingCount, pageCount, blocks: 0, usedPages: 0 };
  const { geometry, blocks } = superblock;
  const state = stateName(superblock.state);
  let usedPages = 0;
  if (state === "formatting") {
    tell({ kind: "superblock", message: "state: the format was interrupted", offsetBytes: 0 });
  } else {
    if (state === "direct") checkDataLength(superblock, input.dataBytes, tell);
    const checked = input.map(geometry.firstDataPage);
    try {
      // The next mount rebuilds the index of a direct pool, so its content does not matter.
      usedPages =
        state === "direct"
          ? countHeld(checked.memory, superblock)
          : checkIndex(checked.memory, superblock, { ...events, finding: tell });
    } finally {
      checked.close();
    }
  }
  return { state, findingCount, pageCount, blocks, usedPages };
}

function checkDataLength(
  { geometry, blocks }: Superblock,
  dataBytes: number | undefined,
  tell: CheckEvents["finding"],
) {
  if (dataBytes === undefined || dataBytes >= blocks * PAGE_BYTES) return;
  const held = bytesToPagesFloor(dataBytes);
  tell({
    kind: "data-size",
    message: `data is ${dataBytes} bytes long instead of ${blocks * PAGE_BYTES}: blocks ${held} to ${blocks - 1} are lost`,
    blockNo: held,
    pageNo: homePage(geometry, held),
    offsetBytes: pagesToBytes(homePage(geometry, held)),
  });
}

/** @returns the pages that valid entries name */
function checkIndex(memory: Memory, superblock: Superblock, events: CheckEvents): number {
  const { geometry } = superblock;
  const taken = BitSet.ofSize(geometry.pageCount);
  const owners = new Owners(memory, superblock, events.finding);
  const totalEntries = geometry.indexPages * ENTRIES_PER_PAGE;
  let usedPages = 0;
  scanIndex(memory, superblock, {
    present: (indexPage) => events.progress?.(indexPage * ENTRIES_PER_PAGE, totalEntries),
    run: (_block, page, count) => {
      const pages = taken.addRun(page, count);
      usedPages += pages;
      return pages;
    },
    damaged: (damage, block, page, high) => owners.add(damage, block, page, high),
  });
  owners.flush();
  assert(usedPages <= geometry.dataPages, "more pages are used than exist");
  return usedPages;
}

function countHeld(memory: Memory, { geometry, blocks }: Superblock): number {
  const end = homePage(geometry, Math.min(blocks, geometry.dataPages));
  let pages = 0;
  for (const [held, heldEnd] of heldRuns(memory, geometry.firstDataPage, end)) pages += heldEnd - held;
  return pages;
}

export function stateName(state: number): PoolState {
  if (state === STATE_FORMATTING) return "formatting";
  if (state === STATE_DIRECT) return "direct";
  return state === STATE_CLEAN ? "clean" : "dirty";
}

const LEAST_BATCH = 16 * 1024;
/** A Map holds no more than 2^24. */
const LARGEST_BATCH = 4 * 1024 * 1024;
/** Numbers kept per entry: its damage, block, page and high word. */
const ROW = 4;
const DAMAGES: readonly EntryDamage[] = ["high-word", "padding", "beyond-size", "range", "duplicate"];

/**
 * Reports damaged entries in index order, and for each duplicate the block that
 * owns its page. Finding the owners takes one more scan per batch; a batch is
 * sized at two bits per page, so there are few of them.
 */
class Owners {
  private readonly capacity: number;
  /** The entries not reported yet. Allocated at the first duplicate: a sound pool has none. */
  private rows = new Float64Array(0);
  private count = 0;

  constructor(
    private readonly memory: Memory,
    private readonly superblock: Superblock,
    private readonly tell: (finding: Finding) => void,
  ) {
    const wanted = Math.floor(superblock.geometry.dataPages / (32 * ROW));
    this.capacity = Math.min(Math.max(LEAST_BATCH, wanted), LARGEST_BATCH);
  }

  /** Reports the entry at once, unless a duplicate before it still lacks its owner. */
  add(damage: EntryDamage, block: BlockNo, page: PageNo, high: number): void {
    if (damage !== "duplicate" && this.count === 0) {
      this.tell(this.findingOf(damage, block, page, high));
      return;
    }
    if (this.rows.length === 0) this.rows = new Float64Array(ROW * this.capacity);
    this.rows.set([DAMAGES.indexOf(damage), block, page, high], ROW * this.count++);
    if (this.count === this.capacity) this.flush();
  }

  /** Reports the entries that are left. */
  flush(): void {
    if (this.count === 0) return;
    const owners = this.findOwners();
    for (let at = 0; at < ROW * this.count; at += ROW) {
      const [kind, block, page, high] = this.rows.subarray(at, at + ROW);
      const damage = DAMAGES[kind];
      this.tell(this.findingOf(damage, block, page, high, damage === "duplicate" ? owners.get(page) : undefined));
    }
    this.count = 0;
  }

  private findOwners(): Map<PageNo, BlockNo> {
    const owners = new Map<PageNo, BlockNo>();
    const wanted = BitSet.ofSize(this.superblock.geometry.pageCount);
    for (let at = 0; at < ROW * this.count; at += ROW) {
      if (DAMAGES[this.rows[at]] === "duplicate") wanted.add(this.rows[at + 2]);
    }
    scanIndex(this.memory, this.superblock, {
      run: (block, page, count) => {
        for (let i = 0; i < count; i++) {
          if (wanted.delete(page + i)) owners.set(page + i, block + i);
        }
        return count;
      },
    });
    return owners;
  }

  private findingOf(damage: EntryDamage, blockNo: BlockNo, pageNo: PageNo, high: number, owner?: BlockNo): Finding {
    const at = { kind: damage, blockNo, pageNo, offsetBytes: entryOffset(blockNo) };
    if (owner === undefined)
      return { ...at, message: describeEntryDamage(damage, this.superblock, blockNo, pageNo, high) };
    const message = `block ${blockNo}: page ${pageNo} also belongs to block ${owner}, which comes first`;
    return { ...at, ownerBlockNo: owner, message };
  }
}
