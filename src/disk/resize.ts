/** Resizes a mounted disk: the holder allows the size, and the caller's ftruncate sets it. */
import { closeSync } from "node:fs";
import { ENXIO, errnoName } from "../base/errno.js";
import { UserError } from "../base/errors.js";
import { SEEK_DATA } from "../base/fileFlags.js";
import { PAGE_BYTES } from "../base/units.js";
import { O_RDONLY, O_RDWR } from "../linux/syscall/constants.js";
import { ftruncate } from "../linux/syscall/libc.js";
import { lseek } from "../linux/syscall/libcData.js";
import { callControl } from "../mounts/control.js";
import { diskPaths } from "../mounts/stateDirectory.js";
import type { MountStatus } from "../mounts/status.js";
import { openDisk } from "./openDisk.js";

const ALLOW_TIMEOUT_MS = 5_000;

/**
 * Changes the size of a disk's file without regard to its content: data past the new end is
 * lost, and the caller must adjust a loop device.
 * @throws UserError; then the size is unchanged
 */
export async function resizeDisk(status: MountStatus, sizeBytes: number): Promise<void> {
  const { mountpoint } = status;
  const what = `resize ${mountpoint}`;
  if (sizeBytes < PAGE_BYTES || sizeBytes % PAGE_BYTES !== 0) {
    throw new UserError(what, `${sizeBytes} bytes is not a multiple of ${PAGE_BYTES}`, { code: "EINVAL" });
  }
  if (status.readOnly) throw new UserError(what, "it is mounted read-only", { code: "EROFS" });
  if (sizeBytes > status.maxSizeBytes) {
    throw new UserError(what, `its maximum size is ${status.maxSizeBytes} bytes`, {
      code: "EFBIG",
      cure: "format a pool with a larger --max-size",
    });
  }
  const mustBeAllowed = status.io === "direct" && sizeBytes < status.sizeBytes;
  const socket = diskPaths(mountpoint).socket;
  if (mustBeAllowed)
    await callControl(socket, "POST", `/resize?bytes=${sizeBytes}`, ALLOW_TIMEOUT_MS).catch(tooOld(what));
  let fd = -1;
  try {
    fd = openDisk(what, status, O_RDWR);
    const result = ftruncate(fd, sizeBytes);
    const code = errnoName(-result);
    if (result < 0) throw new UserError(what, REASONS[code] ?? "the file cannot be resized", { code });
  } finally {
    if (fd >= 0) closeSync(fd);
    // Another program's truncate must not use the permission.
    if (mustBeAllowed) await callControl(socket, "POST", "/resize", ALLOW_TIMEOUT_MS).catch(() => {});
  }
}

/** A holder may be of an older version than its server. */
function tooOld(what: string): (error: Error) => never {
  return (error) => {
    if (!(error instanceof UserError) || error.what !== "control") throw error;
    throw new UserError(what, "its holder is of an older version that cannot make it smaller", { code: "EOPNOTSUPP" });
  };
}

const REASONS: Readonly<Record<string, string>> = {
  EPERM: "another process resized it at the same time",
  EACCES: "you have no permission to write to its file",
  EFBIG: "that is larger than its maximum size",
  EIO: "its pool has an error, see kmemfs status",
};

/** True when something is written at `sizeBytes` or beyond. @throws UserError */
export function hasDataBeyond(disk: MountStatus, sizeBytes: number): boolean {
  const what = `resize ${disk.mountpoint}`;
  const fd = openDisk(what, disk, O_RDONLY);
  try {
    const found = lseek(fd, sizeBytes, SEEK_DATA);
    if (found >= 0) return true;
    if (found === -ENXIO) return false;
    throw new UserError(what, "what the disk holds cannot be determined", { code: errnoName(-found) });
  } finally {
    closeSync(fd);
  }
}
