/**
 * mount(2) and umount2(2) of the FUSE mount, without a helper as root and with
 * fusermount3 as a user. Nothing here looks at the mount itself: the caller
 * may be the process that serves it.
 */
import { EBUSY, EINVAL, ENODEV, ENOENT, ENOTDIR, EPERM } from "../base/errno.js";
import type { UserError } from "../base/errors.js";
import type { Errno } from "../base/units.js";
import { startError } from "./backingFacts.js";
import { MNT_DETACH, MNT_FORCE, MS_NODEV, MS_NOSUID, MS_RDONLY, UMOUNT_NOFOLLOW } from "./constants.js";
import { type FuseMountOptions, kernelOptions } from "./fuseMountOptions.js";
import { unmountWithFusermount } from "./fusermount.js";
import { errnoOf } from "./libc.js";
import { mount, umount2 } from "./libcMount.js";

export { abortConnection, connectionOf } from "./fuseConnection.js";
export type { FuseMountOptions } from "./fuseMountOptions.js";
export { mountWithFusermount } from "./fusermount.js";

const SUBTYPE = "kmemfs";

/**
 * Mounts the session of `fd` (an open /dev/fuse) on `directory`, as root.
 * Returns at once; the kernel's INIT then waits on `fd`.
 * @throws UserError EPERM, ENOENT, ENOTDIR, EBUSY, ENODEV, EINVAL
 */
export function mountFuse(fd: number, directory: string, options: FuseMountOptions): void {
  const flags = MS_NOSUID | MS_NODEV | (options.readOnly ? MS_RDONLY : 0);
  const data = [
    `fd=${fd}`,
    "rootmode=40000",
    `user_id=${process.getuid?.() ?? 0}`,
    `group_id=${process.getgid?.() ?? 0}`,
    ...kernelOptions(options),
  ].join(",");
  const result = mount(options.source ?? SUBTYPE, directory, `fuse.${SUBTYPE}`, flags, data);
  if (result < 0) throw mountError(directory, result);
}

/** @returns 0 or a positive errno: EBUSY in use, EINVAL not a mount point, EPERM not ours */
export function unmountDirectory(
  directory: string,
  options: { readonly lazy?: boolean; readonly force?: boolean } = {},
): Errno {
  const flags = UMOUNT_NOFOLLOW | (options.lazy ? MNT_DETACH : 0) | (options.force ? MNT_FORCE : 0);
  const result = umount2(directory, flags);
  if (result !== -EPERM || process.geteuid?.() === 0) return errnoOf(result);
  return unmountWithFusermount(directory, options.lazy === true);
}

function mountError(directory: string, result: number): UserError {
  const what = `mount ${directory}`;
  if (result === -EPERM)
    return startError(what, "not permitted", result, "run as root, or install fuse3 for fusermount3");
  if (result === -ENOENT) return startError(what, "no such directory", result, `mkdir -p ${directory}`);
  if (result === -ENOTDIR) return startError(what, "not a directory", result);
  if (result === -EBUSY) return startError(what, "something is mounted there or uses it", result);
  if (result === -ENODEV) return startError(what, "the kernel has no FUSE", result, "modprobe fuse");
  if (result === -EINVAL) return startError(what, "the kernel refused the mount options", result);
  return startError(what, "cannot be mounted", result);
}
