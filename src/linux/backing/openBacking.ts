/**
 * Opens and creates all kinds of backing; each kind has its own file in this
 * directory.
 */
import { closeSync, type Stats } from "node:fs";
import { UserError } from "../../base/errors.js";
import { deviceNumbers } from "../proc/procFile.js";
import { libpmem } from "../syscall/libpmem.js";
import { type Backing, singleBacking } from "./backing.js";
import { readDaxDevice, usableDax } from "./daxDevice.js";
import { refuseOtherUsers } from "./daxUsers.js";
import { openPoolDirectory } from "./poolDirectory.js";
import { openPoolEntry, type PoolEntry } from "./poolEntry.js";
import { fileBacking } from "./poolFile.js";
import { lockPool } from "./poolLock.js";

export interface OpenOptions {
  readonly readOnly: boolean;
  /** Accepts an empty file, which is about to be formatted. */
  readonly forFormat?: boolean;
}

/**
 * Opens and locks an existing pool: a regular file, a directory, a device-DAX device.
 * @param root where /sys is, which has the size of a DAX device; another one in tests
 * @throws UserError ENOENT, ELOOP, EACCES, EPERM, EBUSY, EINVAL, EOPNOTSUPP, …
 */
export function openBacking(path: string, options: OpenOptions, root = ""): Backing {
  const entry = openPoolEntry(path, options.readOnly, (stat) => void usableBytes(stat, path, root));
  if (entry.type === "directory") {
    try {
      return openPoolDirectory(entry.fd, path, options.readOnly);
    } finally {
      closeSync(entry.fd);
    }
  }
  try {
    const isFile = entry.type === "file";
    if (isFile) lockPool(entry.fd, path, options.readOnly);
    const backing = isFile
      ? fileBacking(entry.fd, path, options.readOnly)
      : daxFacts(entry, path, options.readOnly, root);
    if (backing.pageCount === 0 && options.forFormat !== true) throw tooShort(entry.stat.size, path);
    return backing;
  } catch (error) {
    closeSync(entry.fd);
    throw error;
  }
}

function tooShort(sizeBytes: number, path: string): UserError {
  if (sizeBytes > 0) return new UserError(path, "is too short to be a pool", { code: "EINVAL" });
  return new UserError(path, "is empty", { code: "EINVAL", cure: `kmemfs format ${path} --size SIZE` });
}

/** @throws UserError when the device is not device DAX, or cannot be mapped */
function usableBytes(stat: Stats, path: string, root: string): ReturnType<typeof usableDax> {
  const { major, minor } = deviceNumbers(stat.rdev);
  return usableDax(readDaxDevice(major, minor, root), path);
}

function daxFacts(entry: PoolEntry, path: string, readOnly: boolean, root: string): Backing {
  const { sizeBytes, alignBytes } = usableBytes(entry.stat, path, root);
  lockPool(entry.fd, path, readOnly);
  refuseOtherUsers(entry.fd, path);
  // Its contents survive power loss once the CPU's caches are written back.
  const durable = libpmem() !== null;
  const facts = singleBacking({ kind: "devdax", path, metaFd: entry.fd, metaBytes: sizeBytes, durable, readOnly });
  return { ...facts, canPunch: false, mapAlignBytes: alignBytes };
}
