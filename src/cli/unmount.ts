/** `kmemfs unmount MOUNTPOINT [--force]`: ends a mount that is not in use. */

import { dirname } from "node:path";
import type { Command } from "commander";
import { UserError } from "../base/errors.js";
import { findDisk } from "../disk/findDisk.js";
import {
  coverClauses,
  knownUseOf,
  loopClauses,
  otherPlaces,
  ownMounts,
  processClauses,
  readUse,
  type SessionUse,
  useOf,
} from "../disk/inUse.js";
import { endMount } from "../disk/takeDown.js";
import { busy } from "../disk/users.js";
import { mountOn, readMounts } from "../linux/proc/mounts.js";
import { stopMount } from "../mounts/client.js";
import { absolutePath, KMEMFS_TYPES, quote } from "../mounts/paths.js";
import { printLine } from "./print.js";

/** Whoever was forced off still has a device that gives errors. */
function printLeft({ fileSystems, loops }: SessionUse): void {
  for (const { mountpoint } of fileSystems) printLine(`still to do: umount ${quote(mountpoint)}`);
  for (const { path } of loops) printLine(`still to do: losetup -d ${path}`);
}

/**
 * Refuses while somebody uses the session. By force users get errors, but what is mounted
 * over the disk is not ours to take away.
 * @throws UserError naming them; nothing was changed
 */
function refuseInUse(what: string, use: SessionUse, name: string, force: boolean): void {
  const covers = coverClauses(use);
  if (covers.length > 0) throw busy(what, covers, "unmount it first");
  if (force) return;
  const loops = loopClauses(use);
  if (loops.length > 0) throw busy(what, [...loops, ...otherPlaces(use)], `kmemfs down ${quote(name)}`);
  const cure = `stop these, or kmemfs unmount --force ${quote(name)}`;
  const others = [...otherPlaces(use), ...processClauses(use)];
  if (others.length > 0) throw busy(what, others, cure);
}

/** A kmemfs mount without a holder: what a killed one leaves behind. */
async function unmountDead(what: string, path: string, force: boolean): Promise<void> {
  const there = mountOn(path, readMounts());
  if (there === null || !KMEMFS_TYPES.has(there.fsType)) {
    throw new UserError(what, "not a kmemfs mount", { code: "EINVAL", cure: "kmemfs status" });
  }
  const use = await readUse({ device: there.majorMinor, fuseDirectory: path }, false);
  const clauses = loopClauses(use);
  const main = ownMounts(use.namespaces).find((entry) => entry.mountId === there.mountId) ?? null;
  const others = otherPlaces({ ...use, main });
  if (!force && clauses.length > 0) throw busy(what, [...clauses, ...others], `kmemfs down ${quote(path)}`);
  if (!force && others.length > 0) throw busy(what, others, `end these, or kmemfs unmount --force ${quote(path)}`);
  await endMount(there, { kind: force ? "at once" : "in order", what }, [...use.loops, ...use.silent]).catch(
    (error: unknown) => {
      if (!(error instanceof UserError)) throw error;
      throw new UserError(what, error.reason, { cure: `kmemfs unmount --force ${quote(path)}`, ...error.options });
    },
  );
  printLeft(use);
}

async function unmount(mountpoint: string, flags: { force?: boolean }): Promise<void> {
  const path = absolutePath(mountpoint, process.cwd());
  const what = `unmount ${path}`;
  const force = flags.force ?? false;

  const disk = await findDisk(path);
  if (disk === null || !isItself(disk.mountpoint, disk.file, path)) return unmountDead(what, path, force);
  const use = force ? knownUseOf(disk) : await useOf(disk);
  refuseInUse(what, use, disk.mountpoint, force);
  await stopMount(disk, { force });
  printLeft(use);
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
    .action(unmount);
}
