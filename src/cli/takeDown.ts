/** A disk's end: what lies on its file, then the mount. */
import { dirname } from "node:path";
import { removePrivateDirectory, removeRecordAt, stopMount } from "../daemon/client.js";
import { clearDisk, type DiskPlace } from "../daemon/disk/clearDisk.js";
import { runOk } from "../daemon/disk/command.js";
import { busy, describeHolders } from "../daemon/disk/holders.js";
import { quote } from "../daemon/disk/paths.js";
import type { MountStatus } from "../daemon/status.js";
import { isDeadMount } from "../linux/deadMount.js";
import { holdersOfMount } from "../linux/proc.js";

/** Takes `disk` down; returns what was done, a line each. @throws UserError naming who holds it */
export async function takeDown(disk: MountStatus): Promise<string[]> {
  refuseInUse(disk);
  const done = await clearDisk(disk);
  await stopMount(disk, { force: false });
  return [...done, `stopped the mount of ${disk.pool.path ?? disk.pool.kind}`];
}

/** As `takeDown` for a disk that has no holder any more; its server may still be there, or not. */
export async function takeDownDead(disk: DiskPlace): Promise<string[]> {
  const directory = dirname(disk.file);
  refuseInUse(disk);
  const done = await clearDisk(disk);
  const dead = await isDeadMount(directory);
  const root = process.geteuid?.() === 0;
  await (root
    ? runOk(`down ${directory}`, "umount", dead ? ["-l", directory] : [directory])
    : runOk(`down ${directory}`, "fusermount3", dead ? ["-u", "-z", directory] : ["-u", directory]));
  removePrivateDirectory(directory);
  removeRecordAt(directory);
  return [...done, `removed the mount on ${directory} that had no holder`];
}

/** @throws UserError naming who uses the mount */
function refuseInUse(disk: DiskPlace): void {
  const directory = dirname(disk.file);
  const holders = holdersOfMount(directory);
  if (holders.length === 0) return;
  const cure = `end these, then kmemfs down ${quote(disk.mountpoint)}`;
  throw busy(`down ${disk.mountpoint}`, [`${directory} is used by ${describeHolders(holders)}`], cure);
}
