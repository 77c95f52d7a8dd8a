/**
 * A private tmpfs that is mounted on no directory and ends with its last fd (the
 * mount, or a file on it). Its `size=` is exactly the pool's, so that it never
 * takes more memory: a shortage is ENOSPC from fallocate and write.
 */
import { closeSync } from "node:fs";
import { EPERM } from "../../base/errno.js";
import { pagesToBytes } from "../../base/units.js";
import {
  FSCONFIG_CMD_CREATE,
  FSCONFIG_CMD_RECONFIGURE,
  FSCONFIG_SET_STRING,
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
  FSPICK_CLOEXEC,
  FSPICK_EMPTY_PATH,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOSUID,
  O_CLOEXEC,
  O_CREAT,
  O_EXCL,
  O_NOFOLLOW,
  O_RDWR,
} from "../syscall/constants.js";
import { ftruncate, openat, unlinkat } from "../syscall/libc.js";
import { fsconfig, fsmount, fsopen, fspick } from "../syscall/libcMount.js";
import { startError } from "../syscall/startError.js";
import { type Backing, splitBacking } from "./backing.js";

const WHAT = "a private tmpfs";

/** @throws UserError EPERM without CAP_SYS_ADMIN, ENOSYS before Linux 5.2 */
export function createPrivateTmpfs(pages: { readonly metadataPages: number; readonly dataPages: number }): Backing {
  const tmpfsFd = mountTmpfs(pagesToBytes(pages.metadataPages + pages.dataPages));
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
    const result = fsconfig(contextFd, FSCONFIG_SET_STRING, "size", String(sizeBytes));
    return result < 0 ? result : fsconfig(contextFd, FSCONFIG_CMD_RECONFIGURE, null, null);
  } finally {
    closeSync(contextFd);
  }
}

function mountTmpfs(sizeBytes: number): number {
  const contextFd = must(fsopen("tmpfs", FSOPEN_CLOEXEC));
  try {
    must(fsconfig(contextFd, FSCONFIG_SET_STRING, "size", String(sizeBytes)));
    must(fsconfig(contextFd, FSCONFIG_SET_STRING, "mode", "0700"));
    must(fsconfig(contextFd, FSCONFIG_CMD_CREATE, null, null));
    return must(fsmount(contextFd, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV));
  } finally {
    closeSync(contextFd);
  }
}

/** A new sparse file of mode 0600 in the directory `directoryFd`. @throws UserError EEXIST, ENOSPC, … */
export function createFileAt(directoryFd: number, name: string, lengthBytes: number, what = WHAT): number {
  const flags = O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC;
  const fd = openat(directoryFd, name, flags, 0o600);
  if (fd < 0) throw startError(what, `cannot create ${name}`, fd);
  const result = ftruncate(fd, lengthBytes);
  if (result === 0) return fd;
  unlinkat(directoryFd, name);
  closeSync(fd);
  throw startError(what, `cannot resize ${name} to ${lengthBytes} bytes`, result);
}

function must(result: number): number {
  if (result >= 0) return result;
  throw startError(
    WHAT,
    "the kernel refused it",
    result,
    result === -EPERM ? "run as root, or use the pool memfd" : undefined,
  );
}
