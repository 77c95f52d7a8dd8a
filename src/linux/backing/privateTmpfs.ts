/**
 * A private tmpfs that is mounted on no directory and ends with its last fd (the
 * mount, or a file on it). Its `size=` is exactly the pool's, so that it never
 * takes more memory: a shortage is ENOSPC from fallocate and write.
 */
import { closeSync } from "node:fs";
import { EPERM } from "../../base/errno.js";
import { pagesToBytes } from "../../base/units.js";
import {
  FSCONFIG_CMD_RECONFIGURE,
  FSCONFIG_SET_STRING,
  FSPICK_CLOEXEC,
  FSPICK_EMPTY_PATH,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOSUID,
  O_CREAT,
  O_EXCL,
  O_NOFOLLOW,
  O_RDWR,
} from "../syscall/constants.js";
import { ftruncate, openat, unlinkat } from "../syscall/libc.js";
import { fsconfig, fspick, mountDetached } from "../syscall/libcMount.js";
import { startError } from "../syscall/startError.js";
import { type Backing, splitBacking } from "./backing.js";

const WHAT = "a private tmpfs";

/** @throws UserError EPERM without CAP_SYS_ADMIN, ENOSYS before Linux 5.2 */
export function createPrivateTmpfs(pages: { readonly metadataPages: number; readonly dataPages: number }): Backing {
  const size = String(pagesToBytes(pages.metadataPages + pages.dataPages));
  const tmpfsFd = mountDetached("tmpfs", { size, mode: "0700" }, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
  if (tmpfsFd < 0) {
    const cure = tmpfsFd === -EPERM ? "run as root, or use the pool memfd" : undefined;
    throw startError(WHAT, "the kernel refused it", tmpfsFd, cure);
  }
  let metaFd = -1;
  try {
    metaFd = createFileAt(tmpfsFd, "meta", pagesToBytes(pages.metadataPages));
    const dataFd = createFileAt(tmpfsFd, "data", pagesToBytes(pages.dataPages));
    return splitBacking({ kind: "tmpfs", path: null, metaFd, dataFd, durable: false, readOnly: false, tmpfsFd });
  } catch (error) {
    if (metaFd >= 0) closeSync(metaFd);
    closeSync(tmpfsFd);
    throw error;
  }
}

/** Changes `size=` while in use. @returns 0 or -errno (EINVAL below what is used) */
export function resizePrivateTmpfs(tmpfsFd: number, sizeBytes: number): number {
  const contextFd = fspick(tmpfsFd, "", FSPICK_EMPTY_PATH | FSPICK_CLOEXEC);
  if (contextFd < 0) return contextFd;
  try {
    const result = fsconfig(contextFd, FSCONFIG_SET_STRING, "size", String(sizeBytes), 0);
    return result < 0 ? result : fsconfig(contextFd, FSCONFIG_CMD_RECONFIGURE, null, null, 0);
  } finally {
    closeSync(contextFd);
  }
}

/** A new sparse file of mode 0600 in the directory `directoryFd`. @throws UserError EEXIST, ENOSPC, … */
export function createFileAt(directoryFd: number, name: string, lengthBytes: number, what = WHAT): number {
  const flags = O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW;
  const fd = openat(directoryFd, name, flags, 0o600);
  if (fd < 0) throw startError(what, `cannot create ${name}`, fd);
  const result = ftruncate(fd, lengthBytes);
  if (result === 0) return fd;
  unlinkat(directoryFd, name, 0);
  closeSync(fd);
  throw startError(what, `cannot resize ${name} to ${lengthBytes} bytes`, result);
}
