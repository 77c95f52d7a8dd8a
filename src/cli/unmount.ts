/** `kmemfs unmount MOUNTPOINT [--force]`: ends a mount that is not in use. */

import { dirname } from "node:path";
import type { Command } from "commander";
import { errorFromBody, UserError } from "../base/errors.js";
import { tryCalls } from "../disk/call.js";
import { findDisk, placeOf } from "../disk/findDisk.js";
import type { SessionUse } from "../disk/inUse.js";
import {
  coverClauses,
  loopClauses,
  otherPlaces,
  ownMounts,
  processClauses,
  readKnownUse,
  readUse,
} from "../disk/inUse.js";
import type { Call } from "../disk/kernelCalls.js";
import { busy } from "../disk/users.js";
import { type MountEntry, mountOn, readMounts } from "../linux/proc/mounts.js";
import { readNamespaces } from "../linux/proc/namespaces.js";
import { stopMount } from "../mounts/client.js";
import { removeMountRecordOf } from "../mounts/mountRecord.js";
import { absolutePath, KMEMFS_TYPES, quote } from "../mounts/paths.js";
import { printLine } from "./print.js";

const UNMOUNT_TIMEOUT_MS = 60_000;

/** Users that were forced off keep a device that returns errors. */
function printLeft({ fileSystems, loops }: SessionUse): void {
  for (const { mountpoint } of fileSystems) printLine(`still to do: umount ${quote(mountpoint)}`);
  for (const { path } of loops) printLine(`still to do: losetup -d ${path}`);
}

/**
 * Refuses while somebody uses the session. By force users get errors, but what is mounted
 * over the disk is not ours to take away.
 * @throws UserError naming them; nothing was changed
 */
async function refuseInUse(what: string, use: SessionUse, name: string, force: boolean): Promise<void> {
  const covers = coverClauses(use);
  if (covers.length > 0) throw busy(what, covers, "unmount it first");
  if (force) return;
  const loops = loopClauses(use);
  if (loops.length > 0) throw busy(what, [...loops, ...otherPlaces(use)], `kmemfs down ${quote(name)}`);
  const cure = `stop these, or kmemfs unmount --force ${quote(name)}`;
  const others = [...otherPlaces(use), ...processClauses(use)];
  if (others.length > 0) throw busy(what, others, cure);
}

/**
 * A kmemfs mount without a holder: what a killed one leaves behind. Its record goes with the last of it: until
 * then that tells whose the rest is.
 */
async function unmountDead(what: string, path: string, force: boolean): Promise<void> {
  const there = mountOn(path, readMounts());
  if (there === null || !KMEMFS_TYPES.has(there.fsType)) {
    throw new UserError(what, "not a kmemfs mount", { code: "EINVAL", cure: "kmemfs status" });
  }
  const use = await readUse(there.majorMinor, path, false);
  const loops = loopClauses(use);
  const main = ownMounts(use.namespaces).find((entry) => entry.mountId === there.mountId) ?? null;
  const others = otherPlaces({ ...use, main });
  if (!force && loops.length > 0) throw busy(what, [...loops, ...others], `kmemfs down ${quote(path)}`);
  if (!force && others.length > 0) throw busy(what, others, `end these, or kmemfs unmount --force ${quote(path)}`);
  const call = callFor(there, force);
  const [outcome] = await tryCalls(what, [call], { timeoutMs: UNMOUNT_TIMEOUT_MS });
  if (outcome !== undefined && "error" in outcome) {
    const { reason, options } = errorFromBody(outcome.error);
    throw new UserError(what, reason, { cure: `kmemfs unmount --force ${quote(path)}`, ...options });
  }
  const isOfIt = ({ majorMinor }: MountEntry): boolean => majorMinor === there.majorMinor;
  const isLeft = readNamespaces().some(({ mounts }) => mounts.some(isOfIt));
  if (!isLeft && loops.length === 0) removeMountRecordOf(there);
  printLeft(use);
}

function callFor(mount: MountEntry, force: boolean): Call {
  return force ? { act: "detach", mount, withInside: false } : { act: "unmount", mount };
}

async function unmount(mountpoint: string, flags: { force?: boolean }): Promise<void> {
  const path = absolutePath(mountpoint, process.cwd());
  const what = `unmount ${path}`;
  const force = flags.force ?? false;

  const disk = await findDisk(path);
  if (disk === null || !isItself(disk.mountpoint, disk.file, path)) return unmountDead(what, path, force);
  const place = placeOf(disk);
  const isServed = (disk.givenUp ?? null) === null;
  const use =
    place === null
      ? null
      : force
        ? readKnownUse(place.device, place.fuseDirectory, disk.loopDevices)
        : await readUse(place.device, place.fuseDirectory, isServed);
  if (use !== null) await refuseInUse(what, use, disk.mountpoint, force);
  await stopMount(disk, { force });
  if (use !== null) printLeft(use);
}

/** The mount of a disk, not a file system on it: that is `down`'s. */
function isItself(mountpoint: string, file: string, path: string): boolean {
  const there = mountOn(path, readMounts());
  return mountpoint === path || dirname(file) === path || KMEMFS_TYPES.has(there?.fsType ?? "");
}

export function defineUnmount(command: Command): void {
  command
    .description("Unmounts a pool that is not in use. If it is in use, its users are listed and it stays mounted.")
    .argument("<mountpoint>", "where the disk is mounted")
    .option("--force", "unmount even if in use: users get errors, and unsynced data is lost")
    .option("--debug", "show stack traces on errors")
    .action(unmount);
}
