/** Who has the name of a mount: one holder at a time, and whoever keeps its fds. */
import { UserError } from "../base/errors.js";
import { adoptName, lockName, type NameLock } from "../linux/nameLock.js";
import { lockPath, makeStateDirectory } from "./stateDirectory.js";

/**
 * @param nameFd of a holder before this one, where somebody kept it
 * @throws UserError when another mount is called the same
 */
export function takeName(mountpoint: string, nameFd?: number): NameLock {
  makeStateDirectory();
  const path = lockPath(mountpoint);
  const name = nameFd === undefined ? lockName(path) : adoptName(path, nameFd);
  if (name !== null) return name;
  throw new UserError(`mount ${mountpoint}`, "a kmemfs mount of that name is running or starting", {
    code: "EBUSY",
    cure: "kmemfs status",
  });
}
