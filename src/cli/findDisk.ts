/** Which disk a path means: by its FUSE mount point, its name, or a file system on its loop device. */
import { dirname, join } from "node:path";
import { UserError } from "../base/errors.js";
import { diskDirectories, diskId, findMount, listMounts } from "../daemon/client.js";
import type { DiskPlace } from "../daemon/disk/clearDisk.js";
import { loopOf, loopsOn } from "../daemon/disk/loop.js";
import { absolutePath, KMEMFS_TYPES, mountAt } from "../daemon/disk/paths.js";
import type { MountStatus } from "../daemon/status.js";
import { readLoopDevices, readMounts } from "../linux/proc.js";

/** The running disk that `text` means, or null. Asks the one that is meant before any other. @throws SilentHolder */
export async function findDisk(text: string): Promise<MountStatus | null> {
  const path = absolutePath(text, process.cwd());
  const byName = await findMount(path);
  if (byName !== null) return byName;
  const loop = loopOf(mountAt(path, readMounts())?.source ?? "");
  if (loop === null) return null;
  const backing = readLoopDevices().find((device) => device.path === loop)?.backingFile;
  const byFile = backing === undefined ? null : await findMount(dirname(backing));
  if (byFile !== null && loopsOn(byFile.file).includes(loop)) return byFile;
  return (await listMounts()).find((mount) => loopsOn(mount.file).includes(loop)) ?? null;
}

/** The remains that `text` means: a kmemfs mount that no holder answers for, or what lies on one; or null. */
export function findDead(text: string): DiskPlace | null {
  const path = absolutePath(text, process.cwd());
  const mounts = readMounts();
  const loop = loopOf(mountAt(path, mounts)?.source ?? "");
  const backing = readLoopDevices().find((device) => device.path === loop)?.backingFile;
  const directories = [
    path,
    join(diskDirectories(), diskId(path)),
    ...(backing === undefined ? [] : [dirname(backing)]),
  ];
  const directory = directories.find((candidate) => KMEMFS_TYPES.has(mountAt(candidate, mounts)?.fsType ?? ""));
  return directory === undefined ? null : { mountpoint: path, file: join(directory, "disk") };
}

export function noDisk(verb: string, text: string): UserError {
  const path = absolutePath(text, process.cwd());
  return new UserError(`${verb} ${path}`, "no kmemfs disk is there", { code: "ENOENT", cure: "kmemfs status" });
}

/** As `findDisk`. @throws UserError when there is none */
export async function requireDisk(verb: string, text: string): Promise<MountStatus> {
  const disk = await findDisk(text);
  if (disk === null) throw noDisk(verb, text);
  return disk;
}
