/**
 * The check of a mount point before anything is started.
 * A path that is already a mount is told from mountinfo alone and never
 * touched: its server may be dead or stuck, and stat on it would hang.
 */
import { accessSync, constants, lstatSync, readdirSync, realpathSync } from "node:fs";
import { UserError } from "../base/errors.js";
import { busy } from "../disk/users.js";
import { type MountEntry, mountOn } from "../linux/proc/mounts.js";
import { absolutePath, KMEMFS_TYPES, quote } from "../mounts/paths.js";
import { stateDirectory } from "../mounts/stateDirectory.js";

function refuseUnreachable(what: string, path: string, error: unknown): never {
  const code = (error as NodeJS.ErrnoException).code ?? "EIO";
  const denied = ["you have no access to this directory", "a directory of your own, or as root"];
  const known: Readonly<Record<string, readonly string[]>> = {
    ENOENT: ["no such directory", `mkdir -p ${quote(path)}`],
    EACCES: denied,
    EPERM: denied,
    ENOTCONN: ["a dead mount is in the way", `umount -l ${quote(path)}`],
  };
  const [reason = "cannot be examined", cure] = known[code] ?? [];
  throw new UserError(what, reason, { code, ...(cure === undefined ? {} : { cure }) });
}

/**
 * Makes sure that a file system can be mounted on `path`.
 * @param what the thing that fails, e.g. `mount /mnt/x`
 * @param mayHide what is in the directory already
 * @throws UserError with the cause and the cure
 */
export function checkMountpoint(
  what: string,
  path: string,
  mounts: readonly Pick<MountEntry, "mountpoint" | "fsType">[],
  mayHide = false,
): void {
  const there = mountOn(path, mounts);
  if (there !== null && KMEMFS_TYPES.has(there.fsType)) {
    throw busy(what, ["already a kmemfs mount"], `kmemfs unmount ${quote(path)}`);
  }
  refuseOwnState(what, path);
  try {
    const stats = lstatSync(path);
    if (stats.isSymbolicLink()) {
      throw new UserError(what, "a symbolic link, not a directory", {
        code: "ELOOP",
        cure: `the directory itself: ${symlinkTarget(path)}`,
      });
    }
    if (!stats.isDirectory()) {
      throw new UserError(what, "not a directory", { code: "ENOTDIR", cure: "an empty directory" });
    }
    if (!mayHide && readdirSync(path).length > 0) {
      throw new UserError(what, "the directory is not empty", { code: "ENOTEMPTY", cure: "an empty directory" });
    }
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    if (error instanceof UserError) throw error;
    refuseUnreachable(what, path, error);
  }
}

/** A disk whose socket and log lie on itself cannot be reached, and waits for itself. */
function refuseOwnState(what: string, path: string): void {
  const state = absolutePath(stateDirectory(), "/");
  if (state !== path && !state.startsWith(`${path}/`)) return;
  throw new UserError(what, `the state directory ${state} would be on this disk`, {
    code: "EINVAL",
    cure: "another mount point, or another XDG_RUNTIME_DIR",
  });
}

function symlinkTarget(path: string): string {
  try {
    return quote(realpathSync.native(path));
  } catch {
    return "one that exists";
  }
}
