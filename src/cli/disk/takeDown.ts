/**
 * A disk's end, in the safe order: file systems, loop devices, the mount.
 * What is busy is found before anything is changed; if an unmount fails all
 * the same, what was unmounted before it is mounted again.
 */
import { rmdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { UserError } from "../../base/errors.js";
import { stateDirectory, stopMount } from "../../daemon/client.js";
import type { MountStatus } from "../../daemon/status.js";
import { holdersOfMount, type MountEntry } from "../../linux/proc.js";
import { quote } from "../mountpoint.js";
import { allOrNothing, type UndoStack } from "../undo.js";
import { mountFileSystem, unmountFileSystem } from "./fileSystem.js";
import { mountsOn } from "./find.js";
import { busy, describeHolders, deviceBlockers, mountBlockers } from "./holders.js";
import { detachLoop, loopsOn } from "./loop.js";

const STOP_DEADLINE_MS = 30_000;

/** Where `up` puts the FUSE mounts that nobody needs to see. */
export function diskDirectories(): string {
  return join(stateDirectory(), "disks");
}

/** Removes the private directory of a disk made by `up`; leaves any other alone. */
export function removePrivateDirectory(fuseDirectory: string): void {
  if (dirname(fuseDirectory) !== diskDirectories()) return;
  try {
    rmdirSync(fuseDirectory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

async function unmountAll(
  what: string,
  disk: MountStatus,
  mounts: readonly MountEntry[],
  undo: UndoStack,
): Promise<void> {
  for (const mount of mounts) {
    try {
      await unmountFileSystem(mount.mountpoint);
    } catch (error) {
      const holders = holdersOfMount(mount.mountpoint);
      if (holders.length === 0) throw error;
      throw busy(what, [`${mount.mountpoint} is used by ${describeHolders(holders)}`], cureFor(disk));
    }
    undo.push(`mount ${mount.mountpoint} again`, () => {
      if (mount.root !== "/") throw new Error("a bind mount or subvolume is not mounted again");
      return mountFileSystem(mount.fsType, mount.source, mount.mountpoint, [mount.options]);
    });
  }
}

function cureFor(disk: MountStatus): string {
  return `end or move away what is named, then kmemfs down ${quote(disk.mountpoint)}`;
}

/** Takes `disk` down; returns what was done, a line each. @throws UserError naming who holds it */
export async function takeDown(disk: MountStatus): Promise<string[]> {
  const what = `down ${disk.mountpoint}`;
  const loops = loopsOn(disk.file);
  const mounts = mountsOn(loops);
  if (loops.length > 0 && process.geteuid?.() !== 0) {
    throw new UserError(what, `${loops.join(", ")} can be detached only by root`, {
      code: "EPERM",
      cure: "sudo kmemfs down",
    });
  }
  const blockers = [...mounts.flatMap((mount) => mountBlockers(mount, mounts)), ...loops.flatMap(deviceBlockers)];
  if (blockers.length > 0) throw busy(what, blockers, cureFor(disk));

  const done: string[] = [];
  await allOrNothing(async (undo) => {
    await unmountAll(what, disk, mounts, undo);
    done.push(...mounts.map((mount) => `unmounted ${mount.mountpoint}`));
    for (const loop of loops) {
      await detachLoop(loop, disk.file);
      done.push(`detached ${loop}`);
    }
  });
  await stopMount(disk, { force: false, deadlineMs: STOP_DEADLINE_MS });
  removePrivateDirectory(dirname(disk.file));
  done.push(`stopped ${dirname(disk.file)}`);
  return done;
}
