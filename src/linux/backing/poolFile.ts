/** A pool in one regular file: on a disk, a tmpfs, a hugetlbfs or a DAX file system. */
import { closeSync, fstatSync, unlinkSync } from "node:fs";
import { dirname } from "node:path";
import { EACCES, EEXIST, EINVAL, ENOENT, EOPNOTSUPP, EROFS, errnoName } from "../../base/errno.js";
import { UserError } from "../../base/errors.js";
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE } from "../../base/fileFlags.js";
import { PAGE_BYTES, pagesToBytes } from "../../base/units.js";
import {
  BTRFS_MAGIC,
  FS_IOC_GETFLAGS,
  FS_IOC_SETFLAGS,
  FS_NOCOW_FL,
  HUGETLBFS_MAGIC,
  MAP_SHARED_VALIDATE,
  MAP_SYNC,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_RDONLY,
  O_RDWR,
  O_TMPFILE,
  PROT_READ,
  PROT_WRITE,
  RAMFS_MAGIC,
  TMPFS_MAGIC,
} from "../syscall/constants.js";
import { fsync, ftruncate, ioctl, open } from "../syscall/libc.js";
import { fallocate } from "../syscall/libcData.js";
import { mmap, munmap } from "../syscall/libcMemory.js";
import { type Causes, knownError, startError } from "../syscall/startError.js";
import { type Backing, type BackingKind, fileSystemOf, singleBacking, sizeFloor } from "./backing.js";
import { lockPool } from "./poolLock.js";

/**
 * Creates `path` sparse, mode 0600, locked. On hugetlbfs the length is rounded up to huge pages.
 * @throws UserError EEXIST, ENOENT, EACCES, ENOSPC, EFBIG, EOPNOTSUPP
 */
export function createPoolFile(path: string, size: { readonly pageCount: number }): Backing {
  const fd = open(path, O_CREAT | O_EXCL | O_NOFOLLOW | O_RDWR, 0o600);
  if (fd < 0) throw createError(path, fd);
  try {
    lockPool(fd, path, false);
    setLength(fd, path, size.pageCount);
    syncDirectory(dirname(path));
    return fileBacking(fd, path, false);
  } catch (error) {
    unlinkSync(path);
    closeSync(fd);
    throw error;
  }
}

/**
 * Empties a file that is about to be formatted and sets its length. A pool in a file
 * of another length would be damaged, so that a crash must leave it intact or empty.
 * @throws UserError EFBIG if a file cannot be that long; it is unchanged
 */
export function resizePoolFile(backing: Backing, path: string, pageCount: number): Backing {
  tryLength(path, pageCount);
  setLength(backing.metaFd, path, 0);
  setLength(backing.metaFd, path, pageCount);
  return fileBacking(backing.metaFd, path, false);
}

/** Tried on a file without a name, which ends with its fd; skipped where O_TMPFILE is not supported (open(2)). */
function tryLength(path: string, pageCount: number): void {
  const fd = open(dirname(path), O_TMPFILE | O_RDWR, 0o600);
  if (fd < 0) return;
  try {
    setLength(fd, path, pageCount);
  } finally {
    closeSync(fd);
  }
}

/** In whole huge pages on hugetlbfs. @throws UserError */
function setLength(fd: number, path: string, pageCount: number): void {
  const grainBytes = grainBytesOf(fd);
  const lengthBytes = Math.ceil(pagesToBytes(pageCount) / grainBytes) * grainBytes;
  const result = ftruncate(fd, lengthBytes);
  if (result < 0) throw startError(path, `cannot be resized to ${lengthBytes} bytes`, result);
}

/** Syncs the names in a directory, which fsync of a file need not do (fsync(2)). @throws UserError */
export function syncDirectory(path: string): void {
  const fd = open(path, O_RDONLY | O_DIRECTORY);
  const result = fd < 0 ? fd : fsync(fd);
  if (fd >= 0) closeSync(fd);
  // EINVAL: a file system that has no media.
  if (result < 0 && result !== -EINVAL) throw startError(path, "its directory entry cannot be written to disk", result);
}

/** Facts of an open, locked regular file. @throws UserError EOPNOTSUPP when its file system cannot carry a pool */
export function fileBacking(fd: number, path: string, readOnly: boolean): Backing {
  const { magic } = fileSystemOf(fd);
  const grainBytes = grainBytesOf(fd);
  const metaBytes = sizeFloor(fd, grainBytes);
  const kind = kindOf(fd, magic, metaBytes, readOnly);
  if (!readOnly) {
    refuseWithoutPunch(fd, path, magic);
    requireInPlace(fd, path, magic);
  }
  const durable = kind === "file" || kind === "fsdax";
  return singleBacking({ kind, path, metaFd: fd, metaBytes, durable, readOnly }, grainBytes);
}

/** The kind of file system an open regular file is on; `fsdax` when MAP_SYNC works, which nothing else answers for. */
export function kindOf(fd: number, magic: number, lengthBytes: number, readOnly: boolean): BackingKind {
  if (magic === TMPFS_MAGIC || magic === RAMFS_MAGIC) return "tmpfs";
  if (magic === HUGETLBFS_MAGIC) return "hugetlbfs";
  if (lengthBytes < PAGE_BYTES) return "file";
  const protection = readOnly ? PROT_READ : PROT_READ | PROT_WRITE;
  const address = mmap(0, PAGE_BYTES, protection, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0);
  if (address < 0) return "file";
  munmap(address, PAGE_BYTES);
  return "fsdax";
}

/**
 * Punching a hole past the end changes nothing, but tells whether the file
 * system supports it: without it memory is never released. Past the true end, as
 * the file can hold anything and its last page may be partial.
 */
export function refuseWithoutPunch(fd: number, path: string, magic: number): void {
  const grainBytes = grainBytesOf(fd);
  const past = Math.ceil(fstatSync(fd).size / grainBytes) * grainBytes;
  const result = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, past, grainBytes);
  if (result !== -EOPNOTSUPP) return;
  throw new UserError(path, `its file system (type 0x${magic.toString(16)}) cannot punch holes`, {
    code: errnoName(EOPNOTSUPP),
    cure: "use a file on tmpfs, hugetlbfs, ext4, xfs or btrfs",
  });
}

/**
 * On btrfs a store to a page of the mapping that was written out needs new
 * space, and is SIGBUS when there is none (btrfs_page_mkwrite): the file must be
 * written in place. The flag takes effect on an empty file only (chattr(1), C).
 */
export function requireInPlace(fd: number, path: string, magic: number): void {
  if (magic !== BTRFS_MAGIC) return;
  const flags = new Int32Array(2);
  const bytes = new Uint8Array(flags.buffer);
  if (ioctl(fd, FS_IOC_GETFLAGS, bytes) === 0 && (flags[0] & FS_NOCOW_FL) !== 0) return;
  const { size, blocks } = fstatSync(fd);
  // btrfs takes the flag for a file of length 0 only, and says nothing otherwise: a file that is all hole is made one.
  if (blocks === 0 && ftruncate(fd, 0) === 0) {
    flags[0] |= FS_NOCOW_FL;
    const refused = ioctl(fd, FS_IOC_SETFLAGS, bytes) < 0 || ftruncate(fd, size) < 0;
    if (!refused && ioctl(fd, FS_IOC_GETFLAGS, bytes) === 0 && (flags[0] & FS_NOCOW_FL) !== 0) return;
  }
  throw new UserError(path, "is copy-on-write on btrfs, and could not be changed when btrfs is full", {
    code: errnoName(EOPNOTSUPP),
    cure: "a new pool in a directory without compression (chattr -c, kmemfs format)",
  });
}

/** Bytes that the file system allocates and releases together: the huge page size on hugetlbfs. */
function grainBytesOf(fd: number): number {
  const { magic, blockBytes } = fileSystemOf(fd);
  return magic === HUGETLBFS_MAGIC ? blockBytes : PAGE_BYTES;
}

function createError(path: string, result: number): UserError {
  const causes: Causes = {
    [EEXIST]: ["already exists", "mount it without --create, or format --force"],
    [ENOENT]: ["its directory does not exist", `mkdir -p "$(dirname ${path})"`],
    [EACCES]: ["permission denied", "run as the directory's owner or as root"],
    [EROFS]: ["is on a read-only file system"],
  };
  return knownError(path, result, causes, "cannot be created");
}
