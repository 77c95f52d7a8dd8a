/** A split pool: a directory with `meta` (superblock and index) and `data` (data page n at offset n × 4096). */
import { closeSync, mkdirSync, readdirSync, rmdirSync, unlinkSync } from "node:fs";
import { dirname } from "node:path";
import { UserError } from "../../base/errors.js";
import { pagesToBytes } from "../../base/units.js";
import { HUGETLBFS_MAGIC } from "../syscall/constants.js";
import { type Backing, fileSystemOf, sizeFloor, splitBacking } from "./backing.js";
import { openPoolEntry, openPoolMember } from "./poolEntry.js";
import { kindOf, refuseWithoutPunch, requireInPlace, syncDirectory } from "./poolFile.js";
import { lockPool } from "./poolLock.js";
import { createFileAt } from "./privateTmpfs.js";

/** In the order of their creation. */
export const POOL_FILES: readonly string[] = ["meta", "data"];

/**
 * Creates the directory (an existing empty one is fine) and its two files, sparse and locked.
 * @throws UserError EEXIST when the directory holds anything, EOPNOTSUPP on hugetlbfs
 */
export function createPoolDirectory(
  path: string,
  pages: { readonly metadataPages: number; readonly dataPages: number },
): Backing {
  const made = makeDirectory(path);
  const directory = openPoolEntry(path, false);
  const fds: number[] = [];
  try {
    if (directory.type !== "directory") throw new UserError(path, "exists and is not a directory", { code: "ENOTDIR" });
    if (readdirSync(path).length > 0)
      throw new UserError(path, "the directory is not empty", {
        code: "EEXIST",
        cure: "choose an empty one, or format --force",
      });
    for (const [name, count] of [
      ["meta", pages.metadataPages],
      ["data", pages.dataPages],
    ] as const) {
      const fd = createFileAt(directory.fd, name, pagesToBytes(count), path);
      fds.push(fd);
      lockPool(fd, path, false);
    }
    syncDirectory(path);
    syncDirectory(dirname(path));
    return directoryFacts(fds[0], fds[1], path, false);
  } catch (error) {
    for (const name of POOL_FILES.slice(0, fds.length)) unlinkSync(`${path}/${name}`);
    for (const fd of fds) closeSync(fd);
    if (made) rmdirSync(path);
    throw error;
  } finally {
    closeSync(directory.fd);
  }
}

/** Opens and locks the members of a pool directory. @throws UserError as `openPoolMember`, EBUSY */
export function openPoolDirectory(directoryFd: number, path: string, readOnly: boolean): Backing {
  const metaFd = openPoolMember(directoryFd, "meta", path, readOnly);
  let dataFd = -1;
  try {
    lockPool(metaFd, path, readOnly);
    dataFd = openPoolMember(directoryFd, "data", path, readOnly);
    // In direct mode the kernel keeps `data` locked as long as any process has `disk` open, even without a server.
    lockPool(dataFd, path, readOnly);
    return directoryFacts(metaFd, dataFd, path, readOnly);
  } catch (error) {
    closeSync(metaFd);
    if (dataFd >= 0) closeSync(dataFd);
    throw error;
  }
}

function directoryFacts(metaFd: number, dataFd: number, path: string, readOnly: boolean): Backing {
  const { magic } = fileSystemOf(metaFd);
  // Its pages are larger than a page: metadata and data would not meet at a page border in one address range.
  if (magic === HUGETLBFS_MAGIC || fileSystemOf(dataFd).magic === HUGETLBFS_MAGIC)
    throw new UserError(path, "a split pool cannot be on hugetlbfs", {
      code: "EOPNOTSUPP",
      cure: "use one file there",
    });
  if (!readOnly) {
    refuseWithoutPunch(dataFd, path, magic);
    requireInPlace(metaFd, path, magic);
    requireInPlace(dataFd, path, magic);
  }
  const kind = kindOf(dataFd, magic, sizeFloor(dataFd), readOnly);
  return splitBacking({ kind, path, metaFd, dataFd, durable: kind === "file" || kind === "fsdax", readOnly });
}

function makeDirectory(path: string): boolean {
  try {
    mkdirSync(path, { mode: 0o700 });
    return true;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "EIO";
    if (code === "EEXIST") return false;
    throw new UserError(path, "the directory cannot be created", { code });
  }
}
