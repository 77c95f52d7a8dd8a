/** The kernel's FUSE connections in /sys/fs/fuse/connections: the way to free a stuck mount. */
import { closeSync, writeSync } from "node:fs";
import { EIO, ENOENT } from "../../base/errno.js";
import type { Errno } from "../../base/units.js";
import { type MountEntry, mountOn, readMounts } from "../proc/mounts.js";
import { O_WRONLY } from "../syscall/constants.js";
import { open, openat } from "../syscall/libc.js";
import { mountDetached } from "../syscall/libcMount.js";

const CONNECTIONS = "/sys/fs/fuse/connections";

/**
 * Number N of the connection behind the FUSE mount at `directory`, or null.
 * It is the minor of the mount's device number; the mount itself is not accessed.
 */
export function connectionOf(directory: string, mounts: readonly MountEntry[] = readMounts()): number | null {
  const entry = mountOn(directory, mounts);
  if (entry === null || !/^fuse(\.|blk|$)/.test(entry.fsType)) return null;
  const minor = Number(entry.majorMinor.split(":")[1]);
  return Number.isInteger(minor) ? minor : null;
}

/**
 * Ends every waiting request with ECONNABORTED. Root only.
 * @returns 0 or a positive errno (ENOENT: the connection is gone)
 */
export function abortConnection(connection: number): Errno {
  const fd = openAbort(connection);
  return fd < 0 ? -fd : writeOne(fd);
}

/**
 * Opens the file that aborts a connection when it is written to. Where fusectl is not
 * mounted, it is opened through a detached mount of our own.
 * @returns an fd or -errno
 */
export function openAbort(connection: number): number {
  const abort = `${connection}/abort`;
  const fd = open(`${CONNECTIONS}/${abort}`, O_WRONLY);
  if (fd >= 0) return fd;
  // fusectl has one superblock: this mount shows the same connections as any other.
  const mountFd = mountDetached("fusectl", {}, 0);
  if (mountFd < 0) return fd === -ENOENT ? mountFd : fd;
  const ownFd = openat(mountFd, abort, O_WRONLY);
  closeSync(mountFd);
  return ownFd;
}

function writeOne(fd: number): Errno {
  try {
    writeSync(fd, "1");
    return 0;
  } catch (error) {
    return -((error as NodeJS.ErrnoException).errno ?? -EIO);
  } finally {
    closeSync(fd);
  }
}
