/** Where running mounts leave their control sockets: /run/kmemfs, for a user under XDG_RUNTIME_DIR. Mode 0700. */
import { createHash } from "node:crypto";
import { chmodSync, lstatSync, mkdirSync, rmdirSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { UserError } from "../base/errors.js";

export function stateDirectory(): string {
  if (process.geteuid?.() === 0) return "/run/kmemfs";
  const runtime = process.env.XDG_RUNTIME_DIR ?? `/run/user/${process.geteuid?.() ?? 0}`;
  return join(runtime, "kmemfs");
}

/** Creates the directory; refuses one that somebody else made. @throws UserError */
export function makeStateDirectory(): string {
  const directory = stateDirectory();
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new UserError(directory, "the state directory cannot be made", {
      code: (error as NodeJS.ErrnoException).code ?? "EIO",
      cure: "set XDG_RUNTIME_DIR to a directory of yours",
    });
  }
  const stat = lstatSync(directory);
  if (!stat.isDirectory() || stat.uid !== process.geteuid?.() || (stat.mode & 0o077) !== 0) {
    throw new UserError(directory, "the state directory is open to others, or not ours", {
      code: "EPERM",
      cure: `rm -r ${directory}`,
    });
  }
  return directory;
}

/** Short and fixed in length: a socket's path has at most 107 bytes (unix(7)). */
export function diskId(mountpoint: string): string {
  return createHash("sha256").update(mountpoint).digest("hex").slice(0, 16);
}

/** The id of the disk whose FUSE mount is on `directory`; a private directory of `up` is called by it. */
export function idOfFuse(directory: string): string {
  return dirname(directory) === diskDirectories() ? basename(directory) : diskId(directory);
}

export function socketPath(mountpoint: string): string {
  return idPaths(diskId(mountpoint)).socket;
}

export function lockPath(mountpoint: string): string {
  return idPaths(diskId(mountpoint)).lock;
}

/** What it takes to mount a disk again. */
export function recordPath(mountpoint: string): string {
  return idPaths(diskId(mountpoint)).record;
}

/** All that a disk may have in the state directory. */
export function idPaths(id: string) {
  const at = (end: string): string => join(stateDirectory(), `${id}${end}`);
  return {
    socket: at(".sock"),
    lock: at(".lock"),
    record: at(".json"),
    /** The lock of who clears a disk whose name its living holder has. */
    clearing: at(".clearing"),
    directory: join(diskDirectories(), id),
  };
}

/** The one log of all holders in the background. */
export function logPath(): string {
  return join(stateDirectory(), "kmemfs.log");
}

/** Where `up` puts the FUSE mounts that nobody needs to see. */
export function diskDirectories(): string {
  return join(stateDirectory(), "disks");
}

/**
 * Makes the private directory of a disk made by `up`; leaves any other path alone.
 * Only who has the disk's name makes and removes it: of two that start at once, the
 * one that loses would otherwise take it from the other.
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
