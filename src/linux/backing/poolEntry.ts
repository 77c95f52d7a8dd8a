/**
 * Opens an existing path after checking what it is and whether it can be a pool.
 * The path is looked up once (O_PATH), checked by fstat, and then reopened
 * through /proc/self/fd, so that it cannot be swapped in between.
 */
import { closeSync, fstatSync, type Stats } from "node:fs";
import { EACCES, ENOENT, ENOTDIR, EPERM, EROFS } from "../../base/errno.js";
import { UserError } from "../../base/errors.js";
import { O_DIRECTORY, O_NOFOLLOW, O_PATH, O_RDONLY, O_RDWR } from "../syscall/constants.js";
import { open, openat } from "../syscall/libc.js";
import { type Causes, knownError } from "../syscall/startError.js";

export type PoolEntryType = "file" | "directory" | "character device";

export interface PoolEntry {
  readonly type: PoolEntryType;
  readonly fd: number;
  readonly stat: Stats;
}

/**
 * Opens `path` (never through a symbolic link at its end) when it can be a pool.
 * @param judgeDevice throws for a character device that is not device DAX, before it
 * is opened, as opening has an effect on some devices (a watchdog starts)
 * @throws UserError ENOENT, ELOOP, EACCES, EPERM, EROFS, EINVAL
 */
export function openPoolEntry(path: string, readOnly: boolean, judgeDevice?: (stat: Stats) => void): PoolEntry {
  const pathFd = open(path, O_PATH | O_NOFOLLOW);
  return reopen(pathFd, path, readOnly, ({ stat, type }) => {
    if (type === "character device") judgeDevice?.(stat);
  });
}

/** Opens for use what `pathFd` is on, and closes `pathFd`. @param judge refuses by an error, before it is opened */
function reopen(
  pathFd: number,
  path: string,
  readOnly: boolean,
  judge: (found: Pick<PoolEntry, "type" | "stat">) => void,
): PoolEntry {
  if (pathFd < 0) throw openError(path, pathFd);
  try {
    const stat = fstatSync(pathFd);
    const type = typeOf(stat, path);
    judge({ type, stat });
    refuseForeign(stat, path);
    const access = type === "directory" ? O_DIRECTORY | O_RDONLY : readOnly ? O_RDONLY : O_RDWR;
    const fd = open(`/proc/self/fd/${pathFd}`, access);
    if (fd < 0) throw openError(path, fd);
    return { type, fd, stat };
  } finally {
    closeSync(pathFd);
  }
}

/** Opens the regular file `name` of a pool directory. @throws UserError as `openPoolEntry` */
export function openPoolMember(directoryFd: number, name: string, path: string, readOnly: boolean): number {
  const member = `${path}/${name}`;
  const pathFd = openat(directoryFd, name, O_PATH | O_NOFOLLOW);
  if (pathFd === -ENOENT)
    throw new UserError(path, `holds no pool: ${name} is missing`, {
      code: "ENOENT",
      cure: `kmemfs format --force ${path}`,
    });
  return reopen(pathFd, member, readOnly, ({ type }) => {
    if (type === "file") return;
    const cure = "use the directory of a split pool";
    throw new UserError(member, "is not a regular file", { code: "EINVAL", cure });
  }).fd;
}

function typeOf(stat: Stats, path: string): PoolEntryType {
  if (stat.isFile()) return "file";
  if (stat.isDirectory()) return "directory";
  if (stat.isCharacterDevice()) return "character device";
  if (stat.isSymbolicLink())
    throw new UserError(path, "is a symbolic link", {
      code: "ELOOP",
      cure: `use the path it points to: readlink -f ${path}`,
    });
  if (stat.isBlockDevice())
    throw new UserError(path, "is a block device, which cannot be mapped as a pool", {
      code: "EINVAL",
      cure: `make a file system on it and use a file there`,
    });
  const kind = stat.isFIFO() ? "a named pipe" : stat.isSocket() ? "a socket" : "of an unknown type";
  throw new UserError(path, `is ${kind}`, { code: "EINVAL", cure: "use a regular file, a directory or /dev/daxX.Y" });
}

/** Refuses a pool that another user can write, who could read, change or truncate it. */
function refuseForeign(stat: Stats, path: string): void {
  const me = process.geteuid?.() ?? 0;
  if (stat.uid !== me && stat.uid !== 0)
    throw new UserError(path, `belongs to user ${stat.uid}, who could write to it`, {
      code: "EPERM",
      cure: `chown ${me} ${path}`,
    });
  const others = stat.isCharacterDevice() ? 0o002 : 0o022;
  if ((stat.mode & others) !== 0)
    throw new UserError(path, "others could write to it", {
      code: "EPERM",
      cure: `chmod ${stat.isDirectory() ? "700" : "600"} ${path}`,
    });
}

function openError(path: string, result: number): UserError {
  const denied = ["permission denied", "run as its owner or as root"] as const;
  const causes: Causes = {
    [ENOENT]: ["no such file or directory", `kmemfs format ${path} --size SIZE, or mount with --create --size SIZE`],
    [ENOTDIR]: ["a part of the path is not a directory"],
    [EACCES]: denied,
    [EPERM]: denied,
    [EROFS]: ["is on a read-only file system", "use --read-only"],
  };
  return knownError(path, result, causes, "cannot be opened");
}
