/**
 * Mounts the FUSE file system: with mount(2) as root and with fusermount3 as a user;
 * `mountHandle.ts` unmounts. Nothing here accesses the mount itself, as the caller may
 * be the process that serves it.
 */
import { EBUSY, EINVAL, ENODEV, ENOENT, ENOTDIR, EPERM } from "../../base/errno.js";
import { MS_NODEV, MS_NOSUID, MS_RDONLY } from "../syscall/constants.js";
import { mount } from "../syscall/libcMount.js";
import { type Causes, knownError } from "../syscall/startError.js";

const SUBTYPE = "kmemfs";

/** What a FUSE mount is made with. */
export interface FuseMountOptions {
  readonly readOnly: boolean;
  readonly allowOther: boolean;
  readonly maxReadBytes?: number;
  /** What mountinfo shows as the source; absent: `kmemfs`. */
  readonly source?: string;
}

/** The options that mount(2) and fusermount3 both take. */
export function kernelOptions(options: FuseMountOptions): string[] {
  return [
    "default_permissions",
    ...(options.allowOther ? ["allow_other"] : []),
    ...(options.maxReadBytes === undefined ? [] : [`max_read=${options.maxReadBytes}`]),
  ];
}

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
  if (result < 0) throw knownError(`mount ${directory}`, result, causes(directory), "cannot be mounted");
}

function causes(directory: string): Causes {
  return {
    [EPERM]: ["not permitted", "run as root, or install fuse3 for fusermount3"],
    [ENOENT]: ["no such directory", `mkdir -p ${directory}`],
    [ENOTDIR]: ["not a directory"],
    [EBUSY]: ["it is in use, or something is mounted there"],
    [ENODEV]: ["the kernel has no FUSE", "modprobe fuse"],
    [EINVAL]: ["the kernel refused the mount options"],
  };
}
