/** Which disk a path means: by its FUSE mount point, its name, or a file system on its loop device. */
import { UserError } from "../../base/errors.js";
import { findMount, listMounts } from "../../daemon/client.js";
import type { MountStatus } from "../../daemon/status.js";
import { type MountEntry, readMounts } from "../../linux/proc.js";
import { absolutePath, mountAt } from "../mountpoint.js";
import { loopOf, loopsOn, withPartitions } from "./loop.js";

/** The running disk that `text` means, or null. */
export async function findDisk(text: string): Promise<MountStatus | null> {
  const path = absolutePath(text, process.cwd());
  const byName = await findMount(path);
  if (byName !== null) return byName;
  const loop = loopOf(mountAt(path, readMounts())?.source ?? "");
  if (loop === null) return null;
  return (await listMounts()).find((mount) => loopsOn(mount.file).includes(loop)) ?? null;
}

/** As `findDisk`. @throws UserError when there is none */
export async function requireDisk(verb: string, text: string): Promise<MountStatus> {
  const disk = await findDisk(text);
  if (disk !== null) return disk;
  const path = absolutePath(text, process.cwd());
  throw new UserError(`${verb} ${path}`, "no kmemfs disk is there", { code: "ENOENT", cure: "kmemfs status" });
}

/** The mounts of file systems on `devices` and their partitions, the latest first: the order to unmount in. */
export function mountsOn(devices: readonly string[]): MountEntry[] {
  const sources = new Set(devices.flatMap(withPartitions));
  return readMounts()
    .filter((mount) => sources.has(mount.source))
    .reverse();
}
