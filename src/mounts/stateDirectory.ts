/**
 * Where running mounts leave their control sockets, mode 0700: /run/kmemfs for
 * root, and for others a directory of their own (`stateChoice.ts`).
 */
import { createHash } from "node:crypto";
import { accessSync, chmodSync, constants, lstatSync, mkdirSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { UserError } from "../base/errors.js";
import { readText } from "../linux/proc/procFile.js";
import { type Caller, chooseStateDirectory, flawOf, type Place } from "./stateChoice.js";

const OWN_CURE = "set XDG_RUNTIME_DIR to a directory of your own";
const STICKY = 0o1000;

/** The choice and its environment, cached as it must not change while the process runs. */
let chosen: { readonly key: string; readonly directory: string } | null = null;

/** @throws UserError for one in a temporary directory that belongs to another user: it cannot be trusted */
export function stateDirectory(): string {
  const uid = process.geteuid?.() ?? 0;
  const { XDG_RUNTIME_DIR: runtime } = process.env;
  const key = [uid, runtime, process.env.TMPDIR].join("\0");
  if (chosen?.key === key) return chosen.directory;
  const caller: Caller = { uid, uidMap: readText("/proc/self/uid_map"), runtime, temporary: resolve("/", tmpdir()) };
  const directory = chooseStateDirectory(caller, look);
  if (dirname(directory) === caller.temporary) refuseShared(directory, uid);
  chosen = { key, directory };
  return directory;
}

/** Creates the directory; refuses one created by another user. @throws UserError */
export function makeStateDirectory(): string {
  const directory = stateDirectory();
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new UserError(directory, "the state directory cannot be created", {
      code: (error as NodeJS.ErrnoException).code ?? "EIO",
      cure: OWN_CURE,
    });
  }
  refuseFlawed(directory, process.geteuid?.() ?? 0);
  return directory;
}

function look(path: string): Place | null {
  try {
    const { uid, mode } = lstatSync(path);
    return { isDirectory: (mode & constants.S_IFMT) === constants.S_IFDIR, uid, mode, isWritable: isWritable(path) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return null;
    // What cannot be looked at is there, and of no use.
    return { isDirectory: false, uid: -1, mode: 0, isWritable: false };
  }
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Never advises to remove it: the state of running disks may be in there.
 * @throws UserError when `directory` is there and not ours alone
 */
function refuseFlawed(directory: string, uid: number): void {
  const place = look(directory);
  const flaw = place === null ? null : flawOf(place, uid);
  if (flaw === null) return;
  const reason = {
    other: "is not a directory, but should be the state directory",
    foreign: "is the state directory, but belongs to another user",
    open: "is the state directory, but is open to other users",
  }[flaw];
  const cure =
    flaw === "open" ? `chmod 0700 ${directory}` : dirname(directory) === "/run" ? `ls -ld ${directory}` : OWN_CURE;
  throw new UserError(directory, reason, { code: "EPERM", cure });
}

/** Where everybody may write only the sticky bit keeps others from putting theirs in its place. */
function refuseShared(directory: string, uid: number): void {
  refuseFlawed(directory, uid);
  const parent = dirname(directory);
  const mode = look(parent)?.mode ?? 0;
  if ((mode & 0o022) === 0 || (mode & STICKY) !== 0) return;
  throw new UserError(parent, "anybody can replace what is in it", { code: "EPERM", cure: OWN_CURE });
}

/** Short and fixed in length: a socket's path has at most 107 bytes (unix(7)). */
export function diskId(mountpoint: string): string {
  return createHash("sha256").update(mountpoint).digest("hex").slice(0, 16);
}

/** The id of the disk whose FUSE mount is on `directory`; a private directory of `up` is called by it. */
export function idOfFuse(directory: string): string {
  return dirname(directory) === diskDirectories() ? basename(directory) : diskId(directory);
}

/** All that a disk may have in the state directory. */
export function idPaths(id: string) {
  const at = (end: string): string => join(stateDirectory(), `${id}${end}`);
  return {
    socket: at(".sock"),
    lock: at(".lock"),
    /** What it takes to mount it again. */
    record: at(".json"),
    /** The lock for clearing a disk whose name is held by its living holder. */
    clearing: at(".clearing"),
    directory: join(diskDirectories(), id),
  };
}

/** The same of the disk that the user calls `mountpoint`. */
export function diskPaths(mountpoint: string) {
  return idPaths(diskId(mountpoint));
}

/** The one log of all holders in the background. */
export function logPath(): string {
  return join(stateDirectory(), "kmemfs.log");
}

/** The private FUSE mounts of `up`. */
export function diskDirectories(): string {
  return join(stateDirectory(), "disks");
}

/**
 * Makes the private directory of a disk made by `up`; leaves any other path alone.
 * Only the owner of the disk's name creates and removes it: otherwise, of two that
 * start at once, the loser would remove the other's.
 */
export function makePrivateDirectory(fuseDirectory: string): void {
  if (dirname(fuseDirectory) !== diskDirectories()) return;
  try {
    mkdirSync(fuseDirectory, { recursive: true, mode: 0o700 });
    chmodSync(fuseDirectory, 0o700);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "EIO";
    throw new UserError(fuseDirectory, "cannot be used", { code, cure: `umount -l ${fuseDirectory}` });
  }
}

/** Removes the private directory of a disk made by `up`; leaves any other alone. */
export function removePrivateDirectory(fuseDirectory: string): void {
  if (dirname(fuseDirectory) !== diskDirectories()) return;
  try {
    rmdirSync(fuseDirectory);
  } catch {
    // Gone already, or still in use by a mount that was detached lazily: the next `up` takes it as it is.
  }
}

/** What cannot be removed must not keep the rest from being let go. */
export function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // A read-only file system, or not ours any more.
  }
}
