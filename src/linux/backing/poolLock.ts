/**
 * Only one process at a time has a pool open: flock(2) on its file, which belongs
 * to the open file description, passes to the server that inherits the fd, and is
 * released with the last fd. Readers share it.
 */
import { EAGAIN } from "../../base/errno.js";
import { UserError } from "../../base/errors.js";
import { lockOwner } from "../proc/fileLocks.js";
import { processName } from "../proc/procFile.js";
import { LOCK_EX, LOCK_NB, LOCK_SH } from "../syscall/constants.js";
import { flock } from "../syscall/libc.js";
import { startError } from "../syscall/startError.js";

/** @throws UserError EBUSY with the holder's pid */
export function lockPool(fd: number, path: string, readOnly: boolean): void {
  const result = flock(fd, (readOnly ? LOCK_SH : LOCK_EX) | LOCK_NB);
  if (result === 0) return;
  if (result !== -EAGAIN) throw startError(path, "cannot be locked", result);
  const pid = lockOwner(fd);
  const by =
    pid === null
      ? "by another process, or by the remains of an ended mount (a loop device, the mount point)"
      : `by process ${pid} (${processName(pid) ?? "unknown"})`;
  throw new UserError(path, `in use ${by}`, {
    code: "EBUSY",
    cure: pid === null ? "losetup; findmnt -t fuse.kmemfs; kmemfs unmount MOUNTPOINT" : "kmemfs status",
  });
}
