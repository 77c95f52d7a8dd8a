/**
 * Both copies of the superblock held against the files and each other. The
 * valid one with the higher generation counts; a whole copy of a newer version
 * is never taken for damage.
 */
import type { MediaError } from "../base/errors.js";
import type { Finding } from "./findings.js";
import {
  COPY_OFFSETS,
  copyProblems,
  decodeCopy,
  layoutProblem,
  type MediaLayout,
  type Superblock,
} from "./superblock.js";

export interface CopyState {
  /** Byte of page 0. */
  readonly at: number;
  readonly problems: readonly MediaError[];
  /** Null when there are problems. */
  readonly superblock: Superblock | null;
}

export interface Copies {
  readonly copies: readonly CopyState[];
  /** The copy that counts, or null when neither is valid or the pool is of a newer version. */
  readonly newest: Superblock | null;
  /** Byte of page 0 where `newest` stands. */
  readonly newestAt: number;
  /** A whole copy was written by a version with features that this one does not know. */
  readonly isForeign: boolean;
}

/** @param pageCount pages of the pool by the size of its files */
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

/** Its magic and checksum are right, so nothing but another version made it so. */
function isOfNewerVersion(problems: readonly MediaError[]): boolean {
  if (problems.some(({ field }) => field === "magic" || field === "checksum")) return false;
  return problems.some(({ field }) => field === "version" || field === "incompatible");
}

/** Tells of each field that is wrong, and of copies that do not belong together. */
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

/** Why a valid copy that is not the newest cannot be what was written before it; null when it can. */
export function contradiction(copy: Superblock, newest: Superblock): string | null {
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

/** The newest in the other's place would be overwritten by the next change; null when it is in its own. */
export function misplaced({ generation }: Superblock, at: number): string | null {
  return COPY_OFFSETS[generation % 2] === at ? null : `generation ${generation} belongs in the other copy`;
}
