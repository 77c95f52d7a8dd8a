/**
 * What the memory of a pool is. It outlives the process that opened it: the holder
 * passes it on as JSON to each server, with the fds inherited under the same numbers
 * or others that it fills in.
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
  /** Absolute, or as it was given; null for a pool that no directory shows. */
  readonly path: string | null;
  readonly layout: "single" | "split";
  readonly metaFd: number;
  /** Equal to `metaFd` for a single pool. */
  readonly dataFd: number;
  /** For a single pool the size of the whole, and `dataBytes` is 0. Multiples of the grain. */
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

/** What the backing really holds, bytes: st_blocks of its files; all of it where st_blocks says nothing. */
export function heldBytes(backing: Backing): number {
  if (backing.kind === "devdax") return backing.metaBytes;
  const meta = fstatSync(backing.metaFd).blocks * 512;
  return backing.layout === "single" ? meta : meta + fstatSync(backing.dataFd).blocks * 512;
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
