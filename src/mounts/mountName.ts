/** Who has the name of a mount: one holder at a time, and whoever keeps its fds. */
import { basename } from "node:path";
import { UserError } from "../base/errors.js";
import { adoptName, lockName, type NameLock } from "../linux/process/nameLock.js";
import { diskPaths, idPaths, makeStateDirectory, removeQuietly } from "./stateDirectory.js";

/**
 * @param nameFd of a holder before this one, where somebody kept it
 * @throws UserError when another mount is called the same
 */
export function takeName(mountpoint: string, nameFd?: number): NameLock {
  const path = diskPaths(mountpoint).lock;
  // What was kept needs no directory: with a read-only /run there may be none.
  if (nameFd !== undefined) return adoptName(path, nameFd);
  makeStateDirectory();
  const name = lockName(path);
  if (name !== null) return name;
  throw new UserError(`mount ${mountpoint}`, "a kmemfs mount of that name is already running or starting", {
    code: "EBUSY",
    cure: "kmemfs status",
  });
}

/**
 * Removes a control socket that nobody listens on; never throws. Not while
 * somebody has the name: a holder that starts may have put its own there by now.
 */
export function removeStaleSocket(path: string): void {
  try {
    const name = lockName(idPaths(basename(path, ".sock")).lock);
    if (name === null) return;
    removeQuietly(path);
    name.release();
  } catch {
    // A full or read-only /run.
  }
}
