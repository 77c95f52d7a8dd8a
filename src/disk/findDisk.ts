/** Finds the disk for a path: its name, its FUSE mount wherever that is, or a file system on its loop device. */
import { dirname, join } from "node:path";
import { UserError } from "../base/errors.js";
import { type LoopNodes, readLoopNodes } from "../linux/proc/loopDevices.js";
import { type MountEntry, mountOn, readMounts } from "../linux/proc/mounts.js";
import { btrfsDevices } from "../linux/proc/stacked.js";
import { isNameHeld } from "../linux/process/nameLock.js";
import { findMount, listMounts } from "../mounts/client.js";
import { idOf, readMountRecords } from "../mounts/mountRecord.js";
import { absolutePath, KMEMFS_TYPES, quote } from "../mounts/paths.js";
import { diskDirectories, diskId, idPaths } from "../mounts/stateDirectory.js";
import type { MountStatus } from "../mounts/status.js";
import type { DiskPlace } from "./clearDisk.js";
import { readUse, type SessionUse } from "./inUse.js";
import { backingPath } from "./loopFiles.js";

/** The running disk that `text` means, or null. Asks the one that is meant before any other. @throws SilentHolder */
export async function findDisk(text: string): Promise<MountStatus | null> {
  const path = absolutePath(text, process.cwd());
  const byName = await findMount(path);
  if (byName !== null) return byName;
  const there = mountOn(path, readMounts());
  if (there === null) return null;
  const isKmemfs = KMEMFS_TYPES.has(there.fsType);
  const loops = loopsUnder(there).map((loop) => loop.path);
  if (!isKmemfs && loops.length === 0) return null;
  const isIt = (mount: MountStatus): boolean =>
    isKmemfs ? mount.device === there.majorMinor : mount.loopDevices.some((loop) => loops.includes(loop));
  const sure = async (disk: MountStatus): Promise<MountStatus | null> =>
    isKmemfs || (await isUnder(path, disk, loops)) ? disk : null;
  // Its own holder is asked first, so that a halted holder does not block commands for other disks.
  const record = readMountRecords().find(({ seen }) =>
    isKmemfs ? seen?.device === there.majorMinor : seen?.loops.some(({ path }) => loops.includes(path)),
  );
  const byRecord = record === undefined ? null : await findMount(record.mountpoint);
  const candidates = byRecord !== null && isIt(byRecord) ? [byRecord] : [];
  for (const disk of [...candidates, ...(candidates.length > 0 && isKmemfs ? [] : (await listMounts()).filter(isIt))]) {
    const found = await sure(disk);
    if (found !== null) return found;
  }
  return null;
}

/**
 * True when one of `loops` is on the disk's file, and not only called so: its file's path, of another mount
 * namespace, may be the same.
 * @throws UserError EAGAIN when it does not say
 */
async function isUnder(path: string, disk: MountStatus, loops: readonly string[]): Promise<boolean> {
  const place = placeOf(disk);
  if (place === null) return false;
  const use = await readLoopsOf(place, (disk.givenUp ?? null) === null);
  if (use.loops.some((loop) => loops.includes(loop.path))) return true;
  const silent = use.silent.find((loop) => loops.includes(loop.path));
  if (silent === undefined) return false;
  throw new UserError(path, `${silent.path} does not say whether it is on the disk ${disk.mountpoint}`, {
    code: "EAGAIN",
    cure: `name the disk: ${quote(disk.mountpoint)}`,
  });
}

async function readLoopsOf({ device, fuseDirectory }: DiskPlace, isHeld: boolean): Promise<SessionUse> {
  return readUse(device, fuseDirectory, isHeld);
}

/**
 * The remains that `text` names: a kmemfs mount without a holder, or what is stacked on one; or null.
 * @throws UserError EBUSY when a process has its name: it is not dead
 */
export async function findDead(what: string, text: string): Promise<DiskPlace | null> {
  const path = absolutePath(text, process.cwd());
  const mounts = readMounts();
  const there = mountOn(path, mounts);
  const placeAt = (fuseDirectory: string): DiskPlace[] => {
    const mount = mountOn(fuseDirectory, mounts);
    return mount !== null && KMEMFS_TYPES.has(mount.fsType)
      ? [{ mountpoint: path, device: mount.majorMinor, fuseDirectory }]
      : [];
  };
  const [byName] = [path, join(diskDirectories(), diskId(path))].flatMap(placeAt);
  if (byName !== undefined) return requireNobodys(what, byName);
  for (const loop of there === null ? [] : loopsUnder(there)) {
    const [place] = placeAt(dirname(backingPath(loop)));
    if (place === undefined) continue;
    const { loops } = await readLoopsOf(place, false);
    if (loops.some((one) => one.path === loop.path)) return requireNobodys(what, place);
  }
  return null;
}

function requireNobodys(what: string, place: DiskPlace): DiskPlace {
  const id = idOf({ mountpoint: place.fuseDirectory, majorMinor: place.device });
  if (!isNameHeld(idPaths(id).lock)) return place;
  throw new UserError(what, `another process has the name of the disk on ${place.fuseDirectory}, and does not answer`, {
    code: "EBUSY",
    cure: "kmemfs status, and try again",
  });
}

/** The loop devices that `mount`'s file system is on. */
function loopsUnder(mount: MountEntry): LoopNodes[] {
  // Of any other type the source may be a word that somebody chose.
  const devices = new Set(mount.fsType === "btrfs" ? [mount.source, ...btrfsDevices(mount.source)] : []);
  return readLoopNodes().filter((loop) =>
    loop.nodes.some((node) => devices.has(node.path) || node.majorMinor === mount.majorMinor),
  );
}

/** The data that clearing a disk needs; null for one that is mounted nowhere, such as one that was given up. */
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
