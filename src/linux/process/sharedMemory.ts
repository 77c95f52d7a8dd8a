/** Memory shared by the holder and its servers through an inherited fd. */
import { closeSync } from "node:fs";
import { EFBIG } from "../../base/errno.js";
import { type Address, PAGE_BYTES } from "../../base/units.js";
import {
  F_ADD_SEALS,
  F_SEAL_GROW,
  F_SEAL_SHRINK,
  MADV_DONTFORK,
  MAP_POPULATE,
  MAP_SHARED,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  PROT_READ,
  PROT_WRITE,
} from "../syscall/constants.js";
import { fcntl, ftruncate, memfd_create } from "../syscall/libc.js";
import { madvise, mlock, mmap, viewMemory } from "../syscall/libcMemory.js";
import { startError } from "../syscall/startError.js";

export interface SharedMemory {
  readonly address: Address;
  readonly lengthBytes: number;
  /** Atomics on it are atomic between threads and processes. */
  readonly bytes: ArrayBuffer;
}

/**
 * New zeroed memory of at least `lengthBytes`, rounded up to pages.
 * @returns with `fd`, close-on-exec, for `mapShared` in another process
 * @throws UserError ENOMEM, EMFILE
 */
export function sharedMemory(lengthBytes: number): SharedMemory & { readonly fd: number } {
  const length = Math.ceil(lengthBytes / PAGE_BYTES) * PAGE_BYTES;
  const fd = memfd_create("kmemfs-shared", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) throw startError("shared memory", "cannot be created", fd);
  const result = ftruncate(fd, length) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
  try {
    const reason = result === -EFBIG ? "it is larger than the file size limit" : "the kernel refused it";
    if (result < 0) throw startError("shared memory", reason, result);
    return { fd, ...mapShared(fd, length) };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Maps the memory behind `fd`, faulted in and, where allowed, locked. @throws UserError ENOMEM, EBADF */
export function mapShared(fd: number, lengthBytes: number): SharedMemory {
  const length = Math.ceil(lengthBytes / PAGE_BYTES) * PAGE_BYTES;
  const address = mmap(0, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
  if (address < 0) throw startError("shared memory", "cannot be mapped", address);
  madvise(address, length, MADV_DONTFORK);
  mlock(address, length);
  return { address, lengthBytes: length, bytes: viewMemory(address, length) };
}
