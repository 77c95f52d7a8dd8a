/** Which disk a path means: by its name, its FUSE mount wherever that is, or a file system on its loop device. */
import { dirname, join } from "node:path";
import { UserError } from "../base/errors.js";
import { type LoopNodes, readLoopNodes } from "../linux/proc/loopDevices.js";
import { type MountEntry, readMounts } from "../linux/proc/mounts.js";
import { btrfsDevices } from "../linux/proc/stacked.js";
import { findMount, listMounts } from "../mounts/client.js";
import { readRecords } from "../mounts/mountRecord.js";
import { absolutePath, KMEMFS_TYPES, mountAt } from "../mounts/paths.js";
import { diskDirectories, diskId } from "../mounts/stateDirectory.js";
import type { MountStatus } from "../mounts/status.js";
import type { DiskPlace } from "./clearDisk.js";
import { backingPath } from "./loopFiles.js";

/** The running disk that `text` means, or null. Asks the one that is meant before any other. @throws SilentHolder */
export async function findDisk(text: string): Promise<MountStatus | null> {
  const path = absolutePath(text, process.cwd());
  const byName = await findMount(path);
  if (byName !== null) return byName;
  const there = mountAt(path, readMounts());
  if (there === null) return null;
  const isKmemfs = KMEMFS_TYPES.has(there.fsType);
  const loops = loopsUnder(there).map((loop) => loop.path);
  if (!isKmemfs && loops.length === 0) return null;
  const isIt = (mount: MountStatus): boolean =>
    isKmemfs ? mount.device === there.majorMinor : mount.loopDevices.some((loop) => loops.includes(loop));
  // Its own holder before any other: one that stands still keeps nobody from the others.
  const record = readRecords().find(({ seen }) =>
    isKmemfs ? seen?.device === there.majorMinor : seen?.loops.some(({ path }) => loops.includes(path)),
  );
  const byRecord = record === undefined ? null : await findMount(record.mountpoint);
  if (byRecord !== null && isIt(byRecord)) return byRecord;
  return (await listMounts()).find(isIt) ?? null;
}

/** The remains that `text` means: a kmemfs mount that no holder answers for, or what lies on one; or null. */
export function findDead(text: string): DiskPlace | null {
  const path = absolutePath(text, process.cwd());
  const mounts = readMounts();
  const there = mountAt(path, mounts);
  const directories = [
    path,
    join(diskDirectories(), diskId(path)),
    ...(there === null ? [] : loopsUnder(there).map((loop) => dirname(backingPath(loop)))),
  ];
  for (const directory of directories) {
    const mount = mountAt(directory, mounts);
    if (mount === null || !KMEMFS_TYPES.has(mount.fsType)) continue;
    return { mountpoint: path, device: mount.majorMinor, fuseDirectory: directory };
  }
  return null;
}

/** The loop devices that `mount`'s file system is on. */
function loopsUnder(mount: MountEntry): LoopNodes[] {
  const devices = new Set([mount.source, ...btrfsDevices(mount.source)]);
  return readLoopNodes().filter((loop) =>
    loop.nodes.some((node) => devices.has(node.path) || node.majorMinor === mount.majorMinor),
  );
}

/** What clearing a disk needs to know; null for one that is mounted nowhere, as when it was given up. */
export function placeOf({ mountpoint, device, file }: MountStatus): DiskPlace | null {
  return device === null ? null : { mountpoint, device, fuseDirectory: dirname(file) };
}

export function noDisk(verb: string, text: string): UserError {
  const path = absolutePath(text, process.cwd());
  return new UserError(`${verb} ${path}`, "not a kmemfs disk", { code: "ENOENT", cure: "kmemfs status" });
}

/** As `findDisk`. @throws UserError when there is none */
export async function requireDisk(verb: string, text: string): Promise<MountStatus> {
  const disk = await findDisk(text);
  if (disk === null) throw noDisk(verb, text);
  return disk;
}
