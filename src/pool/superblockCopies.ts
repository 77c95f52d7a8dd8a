/**
 * Checks both copies of the superblock against the files and each other. The
 * valid one with the higher generation is used; a whole copy of a newer version
 * is never treated as damage.
 */
import type { MediaError } from "../base/errors.js";
import type { ByteOffset } from "../base/units.js";
import type { Finding } from "./findings.js";
import {
  COPY_OFFSETS,
  copyProblems,
  decodeCopy,
  INCOMPATIBLE_SPLIT,
  layoutProblem,
  type MediaLayout,
  STATE_CLEAN,
  STATE_DIRTY,
  type Superblock,
} from "./superblock.js";

export interface CopyState {
  /** Byte offset in page 0. */
  readonly at: number;
  readonly problems: readonly MediaError[];
  /** Null when there are problems. */
  readonly superblock: Superblock | null;
}

export interface Copies {
  readonly copies: readonly CopyState[];
  /** The valid copy to use, or null when neither is valid or the pool is of a newer version. */
  readonly newest: Superblock | null;
  /** Byte offset of `newest` in page 0. */
  readonly newestAt: number;
  /** A whole copy was written by a version with features unknown to this one. */
  readonly isForeign: boolean;
}

/** @param pageCount pages of the pool, from the size of its files */
export function readCopies(page: Uint8Array, pageCount: number, media: MediaLayout): Copies {
  const copies = COPY_OFFSETS.map((at) => readCopy(page, at, pageCount, media));
  const isForeign = copies.some(({ problems }) => isOfNewerVersion(problems));
  let newest: Superblock | null = null;
  let newestAt = 0;
  for (const { at, superblock } of copies) {
    if (superblock === null || isForeign) continue;
    if (newest !== null && superblock.generation <= newest.generation) continue;
    newest = superblock;
    newestAt = at;
  }
  return { copies, newest, newestAt, isForeign };
}

function readCopy(page: Uint8Array, at: number, pageCount: number, media: MediaLayout): CopyState {
  const problems = copyProblems(page, at, pageCount);
  if (problems.length > 0) return { at, problems, superblock: null };
  const superblock = decodeCopy(page, at, pageCount);
  const problem = layoutProblem(superblock, media);
  return problem === null ? { at, problems, superblock } : { at, problems: [problem], superblock: null };
}

/** With a correct magic and checksum, only a newer version can have written these fields. */
function isOfNewerVersion(problems: readonly MediaError[]): boolean {
  if (problems.some(({ field }) => field === "magic" || field === "checksum")) return false;
  return problems.some(({ field }) => field === "version" || field === "incompatible");
}

/** Reports each wrong field, and copies that do not belong together. */
export function copyFindings({ copies, newest, newestAt }: Copies, tell: (finding: Finding) => void): void {
  for (const { problems } of copies) {
    for (const { message, offsetBytes } of problems) {
      if (newest === null) tell({ kind: "superblock", message: `superblock: ${message}`, offsetBytes });
      else tell({ kind: "superblock-copy", message: `a copy of the superblock is damaged: ${message}`, offsetBytes });
    }
  }
  if (newest === null) return;
  for (const { at, superblock } of copies) {
    if (superblock === null) continue;
    const reason = at === newestAt ? misplaced(newest, at) : contradiction(superblock, newest);
    if (reason === null) continue;
    tell({ kind: "superblock-copy", message: `the copy of the superblock at byte ${at}: ${reason}`, offsetBytes: at });
  }
}

/** Why a valid copy cannot be the one written just before the newest; null when it can. */
function contradiction(copy: Superblock, newest: Superblock): string | null {
  if (copy.generation !== newest.generation - 1) {
    return `its generation ${copy.generation} is not the one before ${newest.generation}`;
  }
  const differs = (name: string) => `its ${name} differs from that of the newer copy`;
  if (copy.geometry.indexPages !== newest.geometry.indexPages) return differs("indexPages");
  if (copy.geometry.maxBlocks !== newest.geometry.maxBlocks) return differs("indexEntries");
  if (copy.formattedMs !== newest.formattedMs) return differs("formattedMs");
  if (copy.uuid.some((byte, i) => byte !== newest.uuid[i])) return differs("uuid");
  return copy.label.some((byte, i) => byte !== newest.label[i]) ? differs("label") : null;
}

/** Set when the newest copy is in the other's place, where the next change would overwrite it; else null. */
function misplaced({ generation }: Superblock, at: number): string | null {
  return COPY_OFFSETS[generation % 2] === at ? null : `generation ${generation} belongs in the other copy`;
}

export interface CopyWrite {
  readonly at: ByteOffset;
  readonly superblock: Superblock;
}

/**
 * The copies that a repair writes, in order. Afterwards the newest is in its own
 * place and the other is the one before it. A clean pool that changes becomes
 * dirty, so that the next mount releases strays.
 * @param page page 0
 * @param superblock the valid copy, or a rebuilt one
 * @param indexChanges whether entries change too
 */
export function planCopies(page: Uint8Array, superblock: Superblock, indexChanges: boolean): CopyWrite[] {
  const { geometry, incompatible } = superblock;
  const media = { split: (incompatible & INCOMPATIBLE_SPLIT) !== 0, metadataPages: geometry.firstDataPage };
  const { copies, newest, newestAt } = readCopies(page, geometry.pageCount, media);
  const copyAt = (at: ByteOffset) => copies.find((copy) => copy.at === at)?.superblock ?? null;
  const isIntact = (at: ByteOffset, top: Superblock) => {
    const copy = copyAt(at);
    return copy !== null && contradiction(copy, top) === null;
  };
  const writes: CopyWrite[] = [];
  let top = superblock;
  let topAt: ByteOffset = newestAt;
  if (newest === null) {
    top = { ...superblock, generation: Math.max(2, superblock.generation) };
    topAt = COPY_OFFSETS[top.generation % 2];
    writes.push({ at: topAt, superblock: top });
  } else {
    const isOut = misplaced(newest, newestAt) !== null;
    const changes = indexChanges || isOut || !isIntact(otherThan(newestAt), newest);
    // There is no generation before 1.
    if (isOut || (changes && (newest.state === STATE_CLEAN || newest.generation === 1))) {
      topAt = otherThan(newestAt);
      const generation = newest.generation + (COPY_OFFSETS[(newest.generation + 1) % 2] === topAt ? 1 : 2);
      top = { ...newest, generation, state: newest.state === STATE_CLEAN ? STATE_DIRTY : newest.state };
      writes.push({ at: topAt, superblock: top });
    }
  }
  const below = otherThan(topAt);
  if (!isIntact(below, top)) writes.push({ at: below, superblock: { ...top, generation: top.generation - 1 } });
  return writes;
}

function otherThan(at: ByteOffset): ByteOffset {
  return at === COPY_OFFSETS[0] ? COPY_OFFSETS[1] : COPY_OFFSETS[0];
}
