/**
 * Lets go of what lies on a disk's file, in the safe order: file systems, then
 * loop devices. What is busy is found before anything is changed; if an unmount
 * fails all the same, what was unmounted before it is mounted again.
 */
import { UserError } from "../../base/errors.js";
import { holdersOfMount, type MountEntry, readMounts } from "../../linux/proc.js";
import { complaint, run } from "./command.js";
import { mountFileSystem, unmountFileSystem } from "./fileSystem.js";
import { busy, describeHolders, deviceBlockers, mountBlockers } from "./holders.js";
import { detachLoop, loopsOn, withPartitions } from "./loop.js";
import { quote } from "./paths.js";
import { allOrNothing, type UndoStack } from "./undo.js";

/** A machine that shuts down waits about 90 s for us (systemd.service(5), TimeoutStopSec). */
const FLUSH_TIMEOUT_MS = 60_000;

/** A disk by its name and its file; nobody need serve it any more. */
export interface DiskPlace {
  readonly mountpoint: string;
  readonly file: string;
}

/** The mounts of file systems on `devices` and their partitions, the latest first: the order to unmount in. */
export function mountsOn(devices: readonly string[]): MountEntry[] {
  const sources = new Set(devices.flatMap(withPartitions));
  return readMounts()
    .filter((mount) => sources.has(mount.source))
    .reverse();
}

async function unmountAll(
  what: string,
  disk: DiskPlace,
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

function cureFor(disk: DiskPlace): string {
  return `end or move away what is named, then kmemfs down ${quote(disk.mountpoint)}`;
}

/** Returns what was done, a line each. @throws UserError naming who holds the disk; nothing was changed then */
export async function clearDisk(disk: DiskPlace): Promise<string[]> {
  const what = `down ${disk.mountpoint}`;
  const loops = loopsOn(disk.file);
  const mounts = mountsOn(loops);
  if (loops.length > 0 && process.geteuid?.() !== 0) {
    throw new UserError(what, `${loops.join(", ")} can be detached only by root`, {
      code: "EPERM",
      cure: `sudo kmemfs down ${quote(disk.mountpoint)}`,
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
  return done;
}

/**
 * As `clearDisk`, but takes no for an answer from nobody: what is busy is
 * detached lazily, and its users get errors when the mount ends.
 * @returns what had to be forced, a line each
 */
export async function clearDiskByForce(disk: DiskPlace): Promise<string[]> {
  try {
    await clearDisk(disk);
    return [];
  } catch (error) {
    const forced = [`by force, as ${error instanceof Error ? error.message : String(error)}`];
    const loops = loopsOn(disk.file);
    for (const mount of mountsOn(loops)) {
      // What is written is kept: the server still serves.
      forced.push(...(await tryRun("sync", ["-f", mount.mountpoint], FLUSH_TIMEOUT_MS)));
      forced.push(...(await detachLazily(mount.mountpoint)));
    }
    // A device that is still open goes away with its last user.
    for (const loop of loops) forced.push(...(await tryRun("losetup", ["-d", loop])));
    return forced;
  }
}

/**
 * All that is mounted inside goes too, and what is shared goes everywhere: of a
 * /dev bound with `--rbind`, the machine's /dev/pts. So it is made private first.
 */
async function detachLazily(directory: string): Promise<string[]> {
  const wrong = await tryRun("mount", ["--make-rprivate", directory]);
  if (wrong.length > 0) return wrong;
  return [...(await tryRun("umount", ["-l", directory])), `detached ${directory}`];
}

/** Runs a command whose failure must not keep the next one from being tried. @returns what went wrong, if anything */
async function tryRun(command: string, args: readonly string[], timeoutMs?: number): Promise<string[]> {
  try {
    const result = await run(command, args, timeoutMs === undefined ? {} : { timeoutMs });
    return result.exitCode === 0 ? [] : [`${command} ${args.join(" ")}: ${complaint(result)}`];
  } catch (error) {
    return [`${command} ${args.join(" ")}: ${error instanceof Error ? error.message : String(error)}`];
  }
}
