/** Opens the file of a disk that is mounted, wherever that is by now, and no other of its path. */
import { errnoName } from "../base/errno.js";
import { UserError } from "../base/errors.js";
import { openExactly } from "../linux/mount/mountHandle.js";
import { readMounts } from "../linux/proc/mounts.js";
import { O_NOFOLLOW } from "../linux/syscall/constants.js";
import { openat } from "../linux/syscall/libc.js";
import type { MountStatus } from "../mounts/status.js";

/** Asks the disk's server. @returns an fd. @throws UserError */
export function openDisk(what: string, { mountpoint, device }: MountStatus, flags: number): number {
  const mount = readMounts().find((entry) => entry.majorMinor === device && entry.root === "/");
  if (mount === undefined) throw new UserError(what, `${mountpoint} is not mounted here`, { code: "ENOENT" });
  const handle = openExactly(what, mount);
  try {
    const fd = openat(handle.fd, "disk", flags | O_NOFOLLOW);
    if (fd < 0) throw new UserError(what, "its file cannot be opened", { code: errnoName(-fd) });
    return fd;
  } finally {
    handle.close();
  }
}
