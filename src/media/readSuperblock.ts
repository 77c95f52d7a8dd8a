/** Reads the superblock of a backing and checks it against the backing's files. */
import { MediaError, UserError } from "../base/errors.js";
import { bytesToPagesFloor, PAGE_BYTES } from "../base/units.js";
import type { Backing } from "../linux/backing/backing.js";
import { readMetadata } from "../linux/backing/readMetadata.js";
import { MAX_PAGES } from "../pool/geometry.js";
import {
  decode,
  directPageCount,
  hasMagic,
  layoutProblem,
  type MediaLayout,
  type Superblock,
} from "../pool/superblock.js";

export interface OpenedPool {
  readonly backing: Backing;
  readonly superblock: Superblock;
  /** The path that was made for it just now; to be removed when the mount fails. */
  readonly createdPath?: string;
  /** Pages that it had could not be moved to the NUMA node that it was bound to. */
  readonly isScattered?: boolean;
}

/** Reads page 0, once. @throws UserError when it cannot be read */
export function readFirstPage(backing: Backing): Uint8Array {
  return readMetadata(backing, 0, PAGE_BYTES);
}

/**
 * A backing with the length that its pool has: after a crash in direct mode `data`
 * is as long as the disk. Changes nothing on the media.
 * @param page page 0
 */
export function withPoolLength(backing: Backing, page: Uint8Array): Backing {
  if (backing.layout !== "split") return backing;
  const pageCount = directPageCount(page);
  const metaPages = bytesToPagesFloor(backing.metaBytes);
  // Invalid values are refused, with the field's name, when the superblock is read.
  if (pageCount === null || pageCount <= metaPages || pageCount > MAX_PAGES) return backing;
  return { ...backing, pageCount, dataBytes: (pageCount - metaPages) * PAGE_BYTES };
}

/** The pool on a backing that was just opened. @throws UserError naming the field when there is no valid one */
export function readPool(opened: Backing): Pick<OpenedPool, "backing" | "superblock"> {
  const page = readFirstPage(opened);
  const backing = withPoolLength(opened, page);
  const path = backing.path ?? backing.kind;
  if (!hasMagic(page)) {
    throw new UserError(path, "is not a kmemfs pool", { code: "EINVAL", cure: `kmemfs format ${path}` });
  }
  try {
    const superblock = decode(page, backing.pageCount);
    const problem = layoutProblem(superblock, layoutOf(backing));
    if (problem !== null) throw problem;
    return { backing, superblock };
  } catch (error) {
    if (!(error instanceof MediaError)) throw error;
    throw new UserError(path, `damaged superblock: ${error.message}`, { code: "EINVAL", cure: `kmemfs check ${path}` });
  }
}

/** @throws UserError when a durable pool was asked for and this backing cannot keep it */
export function requireDurable(backing: Backing, wanted: boolean): void {
  if (!wanted || backing.durable) return;
  const what = backing.path ?? `the pool ${backing.kind}`;
  const code = "EOPNOTSUPP";
  if (backing.kind === "devdax") {
    const reason = "cannot be made durable without libpmem.so.1: written data stays in the CPU caches";
    throw new UserError(what, reason, { code, cure: "apt-get install libpmem1, or omit --durable" });
  }
  const reason = `is memory (${backing.kind}) and does not survive a power cut`;
  throw new UserError(what, reason, { code, cure: "a pool on a disk or a DAX device, or omit --durable" });
}

/** What the backing's files say of a pool's layout. */
export function layoutOf(backing: Backing): MediaLayout {
  return { split: backing.layout === "split", metadataPages: bytesToPagesFloor(backing.metaBytes) };
}
