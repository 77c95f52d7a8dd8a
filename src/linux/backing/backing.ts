/**
 * The backing of a pool. It outlives the process that opened it: the holder passes it
 * to each server as JSON, with the fds inherited under the same numbers or under others
 * that it fills in.
 */
import { closeSync, fstatSync } from "node:fs";
import { errnoName } from "../../base/errno.js";
import { UserError } from "../../base/errors.js";
import { bytesToPagesFloor, PAGE_BYTES, SECTOR_BYTES } from "../../base/units.js";
import { fstatfs } from "../syscall/libc.js";

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
  const statfs = new Uint32Array(32);
  const result = fstatfs(fd, new Uint8Array(statfs.buffer));
  if (result < 0)
    throw new UserError("statfs of the pool", "the file system does not answer", { code: errnoName(-result) });
  return { magic: statfs[0], blockBytes: statfs[2] };
}

/** Pages that an open file holds now, by st_blocks. */
export function heldPages(fd: number): number {
  return Math.ceil((fstatSync(fd).blocks * SECTOR_BYTES) / PAGE_BYTES);
}

/** Bytes that the backing holds: st_blocks of its files, or its whole size where st_blocks says nothing. */
export function heldBytes(backing: Backing): number {
  if (backing.kind === "devdax") return backing.metaBytes;
  const meta = fstatSync(backing.metaFd).blocks * 512;
  return backing.layout === "single" ? meta : meta + fstatSync(backing.dataFd).blocks * 512;
}

/** Closes the fds, which releases the lock. A memfd or private tmpfs is gone with its last fd. */
export function closeBacking(backing: Backing): void {
  for (const fd of new Set([backing.dataFd, backing.metaFd, backing.tmpfsFd ?? -1])) if (fd >= 0) closeSync(fd);
}

/** Size in bytes of an open file, rounded down to `grainBytes`. */
export function sizeFloor(fd: number, grainBytes = PAGE_BYTES): number {
  return Math.floor(fstatSync(fd).size / grainBytes) * grainBytes;
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
