/**
 * Mounts the FUSE file system: with mount(2) as root and with fusermount3 as a user;
 * `mountHandle.ts` unmounts. Nothing here accesses the mount itself, as the caller may
 * be the process that serves it.
 */
import { EBUSY, EINVAL, ENODEV, ENOENT, ENOTDIR, EPERM } from "../../base/errno.js";
import type { UserError } from "../../base/errors.js";
import { MS_NODEV, MS_NOSUID, MS_RDONLY } from "../syscall/constants.js";
import { mount } from "../syscall/libcMount.js";
import { startError } from "../syscall/startError.js";
import { type FuseMountOptions, kernelOptions } from "./fuseMountOptions.js";

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

function mountError(directory: string, result: number): UserError {
  const what = `mount ${directory}`;
  if (result === -EPERM)
    return startError(what, "not permitted", result, "run as root, or install fuse3 for fusermount3");
  if (result === -ENOENT) return startError(what, "no such directory", result, `mkdir -p ${directory}`);
  if (result === -ENOTDIR) return startError(what, "not a directory", result);
  if (result === -EBUSY) return startError(what, "it is in use, or something is mounted there", result);
  if (result === -ENODEV) return startError(what, "the kernel has no FUSE", result, "modprobe fuse");
  if (result === -EINVAL) return startError(what, "the kernel refused the mount options", result);
  return startError(what, "cannot be mounted", result);
}
