/** A pool in a memfd: volatile, needs no privilege, and ends with its last fd. */
import { closeSync } from "node:fs";
import { pagesToBytes } from "../../base/units.js";
import {
  F_ADD_SEALS,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
} from "../syscall/constants.js";
import { fcntl, ftruncate, memfd_create } from "../syscall/libc.js";
import { startError } from "../syscall/startError.js";
import { type Backing, singleBacking } from "./backing.js";

/**
 * Sealed against shrinking and growing: a truncated file is the one way to
 * SIGBUS that checks cannot foresee. Punching stays allowed.
 * @throws UserError ENOMEM, EMFILE, …
 */
export function createMemfd(size: { readonly pageCount: number }): Backing {
  const lengthBytes = pagesToBytes(size.pageCount);
  const fd = memfd_create("kmemfs", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) throw startError("a memfd", "cannot be created", fd);
  const result = ftruncate(fd, lengthBytes) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  if (result < 0) {
    closeSync(fd);
    throw startError("a memfd", `cannot be resized to ${lengthBytes} bytes`, result);
  }
  return singleBacking({
    kind: "memfd",
    path: null,
    metaFd: fd,
    metaBytes: lengthBytes,
    durable: false,
    readOnly: false,
  });
}
