/**
 * Rebuilds a superblock that has no valid copy from what is left: fields that
 * survived in the copies, what the user knows, the pool's size, and the index
 * itself. A geometry is accepted only when the index agrees with it.
 */
import { BitSet } from "../base/bitset.js";
import { UserError } from "../base/errors.js";
import type { Memory } from "../base/ports.js";
import type { BlockNo } from "../base/units.js";
import type { CheckInput } from "./check.js";
import {
  defaultGeometry,
  ENTRIES_PER_PAGE,
  type Geometry,
  homePage,
  indexPagesFor,
  layOut,
  MAX_PAGES,
} from "./geometry.js";
import { heldRuns, scanIndex } from "./scan.js";
import {
  COPY_OFFSETS,
  INCOMPATIBLE_SPLIT,
  LABEL_BYTES,
  layout,
  rawCopy,
  STATE_DIRECT,
  STATE_DIRTY,
  type Superblock,
} from "./superblock.js";

export interface RebuildRequest {
  /** What the user knows; determined when absent. */
  readonly blocks?: number | undefined;
  readonly maxBlocks?: number | undefined;
  /** 16 random bytes, used when the old one is lost. */
  readonly uuid: Uint8Array;
  readonly nowMs: number;
}

interface Candidate {
  /** Where it comes from, for messages. */
  readonly source: string;
  readonly indexPages: number;
  readonly maxBlocks: number;
  /** From a whole copy or the user: accepted in spite of damaged entries. */
  readonly trusted: boolean;
}

interface Evidence {
  readonly validEntries: number;
  readonly damagedEntries: number;
  /** One past the highest mapped block. */
  readonly mappedEnd: BlockNo;
  /** Valid entries that name their block's home page: most do, and hardly any with a wrong geometry. */
  readonly homeEntries: number;
  /** Some data page holds memory but is named by no entry. */
  readonly hasStrays: boolean;
}

/**
 * @returns a superblock in state dirty, or direct for a split pool whose pages look so
 * @throws UserError listing what was tried when nothing is consistent
 */
export function rebuildSuperblock(input: CheckInput, request: RebuildRequest): Superblock {
  const { pageCount, media } = input;
  const tried: string[] = [];
  let best: { candidate: Candidate; evidence: Evidence } | null = null;
  for (const candidate of candidatesOf(input, request)) {
    const { indexPages, maxBlocks, source } = candidate;
    const evidence = gather(input, layOut(pageCount, indexPages, maxBlocks));
    const { validEntries, damagedEntries, hasStrays } = evidence;
    tried.push(`${source} (${indexPages} index pages): ${validEntries} entries are valid, ${damagedEntries} are not`);
    const isEmptyButHeld = validEntries === 0 && hasStrays && !media.split;
    if (!candidate.trusted && (damagedEntries > validEntries || isEmptyButHeld)) continue;
    if (best === null || (!best.candidate.trusted && score(evidence) > score(best.evidence))) {
      best = { candidate, evidence };
    }
  }
  if (best === null) throw nothingFits(tried);
  return superblockOf(input, request, best.candidate, best.evidence);
}

function score({ validEntries, damagedEntries, homeEntries }: Evidence): number {
  return validEntries - damagedEntries + homeEntries;
}

function nothingFits(tried: readonly string[]): UserError {
  const reason = `no geometry fits its index; tried: ${tried.length === 0 ? "none is possible" : tried.join("; ")}`;
  return new UserError("superblock", reason, { code: "EINVAL", cure: "--max-size SIZE, as it was formatted with" });
}

/** The possible geometries, in order of preference, without duplicates. */
function candidatesOf(input: CheckInput, request: RebuildRequest): Candidate[] {
  const { page, pageCount, media } = input;
  const found: Candidate[] = [];
  const add = (source: string, indexPages: number, maxBlocks: number, trusted: boolean): void => {
    const isPossible =
      indexPages >= 1 &&
      indexPages <= pageCount - 2 &&
      maxBlocks >= 1 &&
      maxBlocks <= mostBlocks(indexPages) &&
      (!media.split || indexPages === media.metadataPages - 1);
    const isNew = !found.some((one) => one.indexPages === indexPages && one.maxBlocks === maxBlocks);
    if (isPossible && isNew) found.push({ source, indexPages, maxBlocks, trusted });
  };
  for (const at of COPY_OFFSETS) {
    const { isWhole, fields } = rawCopy(page, at);
    add(`the copy at byte ${at}`, fields.indexPages, fields.indexEntries, isWhole);
  }
  const known = request.maxBlocks ?? request.blocks;
  if (known !== undefined) {
    add("the size given", media.split ? media.metadataPages - 1 : indexPagesFor(known), known, true);
    // With a known size there is nothing to guess.
    return found;
  }
  if (media.split) {
    const indexPages = media.metadataPages - 1;
    const dataPages = pageCount - media.metadataPages;
    if (indexPagesFor(dataPages) === indexPages) add("the size of data", indexPages, dataPages, false);
    add("the size of meta", indexPages, mostBlocks(indexPages), false);
    return found;
  }
  if (pageCount > 2 && pageCount <= MAX_PAGES) {
    const seed = defaultGeometry(pageCount);
    add("the pool's size", seed.indexPages, seed.maxBlocks, false);
  }
  const indexPages = indexPagesByFirstEntry(input);
  add("the first entry", indexPages, mostBlocks(indexPages), false);
  return found;
}

function mostBlocks(indexPages: number): number {
  return Math.min(indexPages * ENTRIES_PER_PAGE, MAX_PAGES);
}

/** The first nonzero entry usually names its block's home page, which tells where the data begins. 0 when unknown. */
function indexPagesByFirstEntry({ page, pageCount, map }: CheckInput): number {
  if (pageCount < 3 || page.length === 0) return 0;
  const { memory, close } = map(2);
  try {
    if (memory.nextHeld(1, 2) !== 1) return 0;
    const words = memory.metadataWords(0);
    for (let block = 0; block < ENTRIES_PER_PAGE; block++) {
      const named = words[2 * (ENTRIES_PER_PAGE + block)] >>> 0;
      if (named !== 0) return Math.max(0, named - 1 - block);
    }
    return 0;
  } finally {
    close();
  }
}

/** Reads the index as if the pool had `geometry`. */
function gather(input: CheckInput, geometry: Geometry): Evidence {
  const { memory, close } = input.map(geometry.firstDataPage);
  try {
    const taken = BitSet.ofSize(geometry.pageCount);
    const counts = { validEntries: 0, damagedEntries: 0, mappedEnd: 0, homeEntries: 0 };
    scanIndex(
      memory,
      { geometry, blocks: geometry.maxBlocks },
      {
        run: (block, page, count) => {
          const pages = taken.addRun(page, count);
          counts.validEntries += pages;
          if (pages > 0) counts.mappedEnd = block + pages;
          if (page === homePage(geometry, block)) counts.homeEntries += pages;
          return pages;
        },
        damaged: () => void counts.damagedEntries++,
      },
    );
    return { ...counts, hasStrays: hasStrays(memory, geometry, taken) };
  } finally {
    close();
  }
}

function hasStrays(memory: Memory, { firstDataPage, pageCount }: Geometry, taken: BitSet): boolean {
  for (const [held, end] of heldRuns(memory, firstDataPage, pageCount)) {
    if (taken.nextAbsent(held, end) < end) return true;
  }
  return false;
}

function superblockOf(
  { page, pageCount, media }: CheckInput,
  request: RebuildRequest,
  { indexPages, maxBlocks }: Candidate,
  evidence: Evidence,
): Superblock {
  const copies = COPY_OFFSETS.map((at) => rawCopy(page, at));
  const isPossible = (size: number): boolean => size >= 1 && size >= evidence.mappedEnd && size <= maxBlocks;
  const blocks = request.blocks ?? copies.map(({ fields }) => fields.blocks).find(isPossible) ?? maxBlocks;
  if (blocks < evidence.mappedEnd) {
    const reason = `block ${evidence.mappedEnd - 1} is mapped beyond a file of ${blocks} blocks`;
    throw new UserError("--size", reason, { code: "EINVAL", cure: "a larger --size" });
  }
  // A copy with a correct checksum but some other problem.
  const whole = copies.find(({ isWhole }) => isWhole);
  const { uuid, label } = layout.offset;
  // Pages of a pool in direct use have no entries. In state dirty the next mount would release them as strays.
  const dataPages = pageCount - 1 - indexPages;
  const isDirect =
    media.split && evidence.hasStrays && evidence.homeEntries === evidence.validEntries && maxBlocks >= dataPages;
  return {
    geometry: layOut(pageCount, indexPages, isDirect ? dataPages : maxBlocks),
    blocks: isDirect ? dataPages : blocks,
    generation: 2,
    state: isDirect ? STATE_DIRECT : STATE_DIRTY,
    incompatible: media.split ? INCOMPATIBLE_SPLIT : 0,
    readonlyCompatible: 0,
    formattedMs: request.nowMs,
    uuid: whole?.bytes.slice(uuid, uuid + 16) ?? request.uuid,
    label: whole?.bytes.slice(label, label + LABEL_BYTES) ?? new Uint8Array(LABEL_BYTES),
  };
}
