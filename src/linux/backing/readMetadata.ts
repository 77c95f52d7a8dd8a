/** Reads metadata without mapping the pool: the superblock, before its geometry is known. */
import { closeSync, readSync } from "node:fs";
import { errnoName } from "../../base/errno.js";
import { UserError } from "../../base/errors.js";
import { MAP_SHARED, MFD_CLOEXEC, PROT_READ } from "../syscall/constants.js";
import { memfd_create } from "../syscall/libc.js";
import { write } from "../syscall/libcData.js";
import { mmap, munmap } from "../syscall/libcMemory.js";
import type { Backing } from "./backing.js";

/**
 * Bytes `[at, at + lengthBytes)` of the metadata; fewer at the end of the file.
 * Holes read as zeros and stay holes.
 * @throws UserError EIO, EFAULT (a poisoned page of a DAX device)
 */
export function readMetadata(backing: Backing, at: number, lengthBytes: number): Uint8Array {
  const length = Math.max(0, Math.min(lengthBytes, backing.metaBytes - at));
  return backing.kind === "devdax" ? readMapped(backing, at, length) : readFd(backing, backing.metaFd, at, length);
}

function readFd(backing: Backing, fd: number, at: number, lengthBytes: number): Uint8Array {
  const bytes = new Uint8Array(lengthBytes);
  let done = 0;
  try {
    while (done < lengthBytes) {
      const count = readSync(fd, bytes, done, lengthBytes - done, at + done);
      if (count === 0) break;
      done += count;
    }
  } catch (error) {
    throw readError(backing, (error as NodeJS.ErrnoException).code ?? "EIO");
  }
  return bytes.subarray(0, done);
}

/** Through a mapping of whole alignment units; write(2) turns a poisoned page into EFAULT instead of SIGBUS. */
function readMapped(backing: Backing, at: number, lengthBytes: number): Uint8Array {
  const align = backing.mapAlignBytes;
  const start = Math.floor(at / align) * align;
  const mapBytes = Math.min(Math.ceil((at + lengthBytes) / align) * align, backing.metaBytes) - start;
  if (lengthBytes === 0) return new Uint8Array(0);
  const address = mmap(0, mapBytes, PROT_READ, MAP_SHARED, backing.metaFd, start);
  if (address < 0) throw readError(backing, errnoName(-address));
  const copyFd = memfd_create("kmemfs-metadata", MFD_CLOEXEC);
  try {
    if (copyFd < 0) throw readError(backing, errnoName(-copyFd));
    const result = write(copyFd, address + (at - start), lengthBytes);
    if (result < 0) throw readError(backing, errnoName(-result));
    if (result < lengthBytes) throw readError(backing, "EIO");
    return readFd(backing, copyFd, 0, lengthBytes);
  } finally {
    if (copyFd >= 0) closeSync(copyFd);
    munmap(address, mapBytes);
  }
}

function readError(backing: Backing, code: string): UserError {
  return new UserError(backing.path ?? `the ${backing.kind} pool`, "its metadata cannot be read", { code });
}
