/** A disk's end: what lies on its file, then the mount. */
import { dirname } from "node:path";
import { removePrivateDirectory, stopMount } from "../daemon/client.js";
import { clearDisk, type DiskPlace } from "../daemon/disk/clearDisk.js";
import { runOk } from "../daemon/disk/command.js";
import { busy, describeHolders } from "../daemon/disk/holders.js";
import { quote } from "../daemon/disk/paths.js";
import type { MountStatus } from "../daemon/status.js";
import { holdersOfMount } from "../linux/proc.js";

const STOP_DEADLINE_MS = 30_000;

/** Takes `disk` down; returns what was done, a line each. @throws UserError naming who holds it */
export async function takeDown(disk: MountStatus): Promise<string[]> {
  const holders = holdersOfMount(dirname(disk.file));
  if (holders.length > 0) {
    const cure = `end these, then kmemfs down ${quote(disk.mountpoint)}`;
    throw busy(`down ${disk.mountpoint}`, [`${dirname(disk.file)} is used by ${describeHolders(holders)}`], cure);
  }
  const done = await clearDisk(disk);
  await stopMount(disk, { force: false, deadlineMs: STOP_DEADLINE_MS });
  return [...done, `stopped the mount of ${disk.pool.path ?? disk.pool.kind}`];
}

/** As `takeDown` for a disk that has no holder any more: its mount is taken off lazily. */
export async function takeDownDead(disk: DiskPlace): Promise<string[]> {
  const directory = dirname(disk.file);
  const done = await clearDisk(disk);
  const root = process.geteuid?.() === 0;
  await (root
    ? runOk(`umount ${directory}`, "umount", ["-l", directory])
    : runOk(`umount ${directory}`, "fusermount3", ["-u", "-z", directory]));
  removePrivateDirectory(directory);
  return [...done, `removed the dead mount on ${directory}`];
}
