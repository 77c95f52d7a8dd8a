/**
 * The backing of a pool. It outlives the process that opened it: the holder passes it
 * to each server as JSON, with the fds inherited under the same numbers or under others
 * that it fills in.
 */
import { closeSync, fstatSync, statfsSync } from "node:fs";
import { UserError } from "../../base/errors.js";
import { bytesToPagesFloor, PAGE_BYTES, SECTOR_BYTES } from "../../base/units.js";

export type BackingKind = "tmpfs" | "memfd" | "file" | "hugetlbfs" | "fsdax" | "devdax";

export interface Backing {
  /** The kind of memory; a file or directory on a tmpfs is `tmpfs` with its path. */
  readonly kind: BackingKind;
  /** Absolute, or as given; null for a pool without a path. */
  readonly path: string | null;
  readonly layout: "single" | "split";
  readonly metaFd: number;
  /** Equal to `metaFd` for a single pool. */
  readonly dataFd: number;
  /** For a single pool the size of the whole file, with `dataBytes` 0. Multiples of the grain. */
  readonly metaBytes: number;
  readonly dataBytes: number;
  /** Pages of the whole pool, metadata and data. */
  readonly pageCount: number;
  readonly grainPages: number;
  readonly durable: boolean;
  readonly canPunch: boolean;
  /** Addresses, offsets and lengths of mappings are multiples of this. */
  readonly mapAlignBytes: number;
  readonly readOnly: boolean;
  /** The private tmpfs' mount: the files live as long as it is open. */
  readonly tmpfsFd?: number;
}

/** f_type and f_bsize of the file system that `fd` is on (statfs(2)). */
export function fileSystemOf(fd: number): { readonly magic: number; readonly blockBytes: number } {
  try {
    const { type, bsize } = statfsSync(`/proc/self/fd/${fd}`);
    return { magic: type, blockBytes: bsize };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "EIO";
    throw new UserError("statfs of the pool", "the file system does not answer", { code });
  }
}

/** Pages that an open file holds now, by st_blocks. */
export function heldPages(fd: number): number {
  return Math.ceil((fstatSync(fd).blocks * SECTOR_BYTES) / PAGE_BYTES);
}

/** Lets go of the fds, and with them of the lock; a memfd or private tmpfs whose last fds these are is gone. */
export function closeBacking(backing: Backing): void {
  for (const fd of fdsOf(backing)) closeSync(fd);
}

/** Its open files, each once. */
export function fdsOf({ metaFd, dataFd, tmpfsFd = metaFd }: Backing): number[] {
  return [...new Set([metaFd, dataFd, tmpfsFd])];
}

/** The same with the numbers that its open files have elsewhere. */
export function withFds(backing: Backing, numberOf: (fd: number) => number): Backing {
  const { metaFd, dataFd, tmpfsFd } = backing;
  const fds = { metaFd: numberOf(metaFd), dataFd: numberOf(dataFd) };
  return { ...backing, ...fds, ...(tmpfsFd === undefined ? {} : { tmpfsFd: numberOf(tmpfsFd) }) };
}

/** Size in bytes of an open file, rounded down to `grainBytes`. */
export function sizeFloor(fd: number, grainBytes = PAGE_BYTES): number {
  return Math.floor(fstatSync(fd).size / grainBytes) * grainBytes;
}

/** Facts of a pool in one file or device that can punch whole grains. */
export function singleBacking(
  facts: Pick<Backing, "kind" | "path" | "metaFd" | "metaBytes" | "durable" | "readOnly">,
  grainBytes = PAGE_BYTES,
): Backing {
  return {
    ...facts,
    layout: "single",
    dataFd: facts.metaFd,
    dataBytes: 0,
    pageCount: facts.metaBytes / PAGE_BYTES,
    grainPages: grainBytes / PAGE_BYTES,
    canPunch: true,
    mapAlignBytes: grainBytes,
  };
}

/** Facts of a split pool of page-sized files. */
export function splitBacking(
  backing: Pick<Backing, "kind" | "path" | "metaFd" | "dataFd" | "durable" | "readOnly"> & { tmpfsFd?: number },
): Backing {
  const metaBytes = sizeFloor(backing.metaFd);
  const dataBytes = sizeFloor(backing.dataFd);
  return {
    ...backing,
    layout: "split",
    metaBytes,
    dataBytes,
    pageCount: bytesToPagesFloor(metaBytes + dataBytes),
    grainPages: 1,
    canPunch: true,
    mapAlignBytes: PAGE_BYTES,
  };
}
