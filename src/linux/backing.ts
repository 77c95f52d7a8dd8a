/**
 * Backings: the kinds of memory a pool can be in. One door for all of them;
 * each kind has its own file beside this one.
 */
import { closeSync, type Stats } from "node:fs";
import { EOPNOTSUPP, errnoName } from "../base/errno.js";
import { UserError } from "../base/errors.js";
import { MIB, PAGE_BYTES } from "../base/units.js";
import type { BackingFacts } from "./backingFacts.js";
import { type DaxSysfs, daxSysfs, deviceNumbers } from "./daxDevice.js";
import { libpmem } from "./libpmem.js";
import { openPoolDirectory } from "./poolDirectory.js";
import { openPoolEntry, type PoolEntry } from "./poolEntry.js";
import { fileFacts } from "./poolFile.js";
import { lockPool } from "./poolLock.js";

export { type BackingFacts, closeBacking, heldBytes, heldPages } from "./backingFacts.js";
export { type MemoryMapping, mapBacking, unmapBacking } from "./mapping.js";
export { createMemfd } from "./memfd.js";
export { createPoolDirectory } from "./poolDirectory.js";
export { createPoolFile } from "./poolFile.js";
export { createPrivateTmpfs, resizePrivateTmpfs } from "./privateTmpfs.js";
export { readMetadata } from "./readMetadata.js";
export { looksLike } from "./signature.js";

export interface OpenOptions {
  readonly readOnly: boolean;
  /** An empty file is fine: it is about to be formatted. */
  readonly forFormat?: boolean;
}

/**
 * Opens and locks an existing pool: a regular file, a directory, a device-DAX device.
 * @param sysfs where the size of a DAX device is read
 * @throws UserError ENOENT, ELOOP, EACCES, EPERM, EBUSY, EINVAL, EOPNOTSUPP, …
 */
export function openBacking(path: string, options: OpenOptions, sysfs: DaxSysfs = daxSysfs): BackingFacts {
  const entry = openPoolEntry(path, options.readOnly, (stat) => void daxSizeBytes(stat, path, sysfs));
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
    const facts = isFile ? fileFacts(entry.fd, path, options.readOnly) : daxFacts(entry, path, options.readOnly, sysfs);
    if (facts.pageCount === 0 && options.forFormat !== true) throw tooShort(entry.stat.size, path);
    return facts;
  } catch (error) {
    closeSync(entry.fd);
    throw error;
  }
}

function tooShort(sizeBytes: number, path: string): UserError {
  if (sizeBytes > 0) return new UserError(path, "is too short to be a pool", { code: "EINVAL" });
  return new UserError(path, "is empty", { code: "EINVAL", cure: `kmemfs format ${path} --size SIZE` });
}

/** @throws UserError when the device is not device DAX */
function daxSizeBytes(stat: Stats, path: string, sysfs: DaxSysfs): number {
  const { major, minor } = deviceNumbers(stat.rdev);
  const sizeBytes = sysfs.sizeBytes(major, minor);
  if (sizeBytes !== null) return sizeBytes;
  throw new UserError(path, "is a character device but not device DAX", {
    code: errnoName(EOPNOTSUPP),
    cure: "use /dev/daxX.Y (ndctl create-namespace --mode=devdax)",
  });
}

function daxFacts(entry: PoolEntry, path: string, readOnly: boolean, sysfs: DaxSysfs): BackingFacts {
  const { major, minor } = deviceNumbers(entry.stat.rdev);
  const sizeBytes = daxSizeBytes(entry.stat, path, sysfs);
  lockPool(entry.fd, path, readOnly);
  const alignBytes = sysfs.alignBytes(major, minor) ?? 2 * MIB;
  const metaBytes = Math.floor(sizeBytes / alignBytes) * alignBytes;
  return {
    kind: "devdax",
    path,
    layout: "single",
    metaFd: entry.fd,
    dataFd: entry.fd,
    metaBytes,
    dataBytes: 0,
    pageCount: metaBytes / PAGE_BYTES,
    grainPages: 1,
    // Its contents survive power loss once the CPU's caches are written back.
    durable: libpmem() !== null,
    canPunch: false,
    mapAlignBytes: alignBytes,
    readOnly,
  };
}
