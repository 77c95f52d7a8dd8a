/** The size of a mounted disk, changed by whoever calls: through an fd on the mount that is meant. */
import { dirname, join } from "node:path";
import { ENXIO, errnoName } from "../base/errno.js";
import { UserError } from "../base/errors.js";
import { O_CLOEXEC, O_NOFOLLOW, O_RDONLY, O_RDWR, SEEK_DATA } from "../linux/constants.js";
import { close, ftruncate, lseek, open } from "../linux/libc.js";
import { openExactly } from "../linux/mountHandle.js";
import { type MountEntry, mountOn } from "../linux/proc.js";
import { KMEMFS_TYPES } from "./disk/paths.js";
import type { MountStatus } from "./status.js";

type OpenedDisk = Pick<MountStatus, "mountpoint" | "file">;

/** The FUSE mount of a disk. @throws UserError ENOENT when it is gone */
export function fuseMountOf(what: string, { file }: OpenedDisk): MountEntry {
  const entry = mountOn(dirname(file));
  if (entry !== null && KMEMFS_TYPES.has(entry.fsType)) return entry;
  throw new UserError(what, `${dirname(file)} is not mounted any more`, { code: "ENOENT" });
}

function withDisk<T>(what: string, disk: OpenedDisk, access: number, act: (fd: number) => T): T {
  const handle = openExactly(what, fuseMountOf(what, disk));
  try {
    const fd = open(join(handle.path, "disk"), access | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) throw new UserError(what, "the disk cannot be opened", { code: errnoName(-fd) });
    try {
      return act(fd);
    } finally {
      close(fd);
    }
  } finally {
    handle.close();
  }
}

/** Gives `disk` the size `sizeBytes`, whole pages; what lies beyond is gone. @throws UserError */
export function resizeDisk(disk: OpenedDisk, sizeBytes: number): void {
  const what = `resize ${disk.mountpoint}`;
  const result = withDisk(what, disk, O_RDWR, (fd) => ftruncate(fd, sizeBytes));
  if (result < 0) throw new UserError(what, "the disk cannot have this size", { code: errnoName(-result) });
}

/** True when something is written at `sizeBytes` or beyond. @throws UserError */
export function hasDataBeyond(disk: OpenedDisk, sizeBytes: number): boolean {
  const what = `resize ${disk.mountpoint}`;
  const found = withDisk(what, disk, O_RDONLY, (fd) => lseek(fd, sizeBytes, SEEK_DATA));
  if (found < 0 && found !== -ENXIO) {
    throw new UserError(what, "it cannot be said what the disk holds", { code: errnoName(-found) });
  }
  return found >= 0;
}
