/** The lock on a mount's name: held by one holder at a time, and by a service manager that stores its fds. */
import { basename } from "node:path";
import { UserError } from "../base/errors.js";
import { adoptName, lockName, type NameLock } from "../linux/process/nameLock.js";
import { diskPaths, idPaths, makeStateDirectory, removeQuietly } from "./stateDirectory.js";

/**
 * @param nameFd of a previous holder, if the service manager stored it
 * @throws UserError when another mount has the same name
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
 * Removes a control socket without a listener; never throws. Not while the name is
 * held: a starting holder may have created its own socket there.
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
