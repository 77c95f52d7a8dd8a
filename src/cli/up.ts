/** `kmemfs up MOUNTPOINT`: mount, losetup, mkfs if blank, mount; all or nothing. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { UserError } from "../base/errors.js";
import { bringUpFileSystem, bringUpMount } from "../disk/bringUp.js";
import { chooseFileSystem } from "../disk/chooseFileSystem.js";
import { FILE_SYSTEMS, type FileSystemType, requireSize } from "../disk/fileSystems.js";
import { findDead, findDisk } from "../disk/findDisk.js";
import { allOrNothing, interruptible } from "../disk/rollback.js";
import { readMounts } from "../linux/proc/mounts.js";
import type { MountOptions } from "../mounts/options.js";
import { flagsOf, type RawOptions } from "../mounts/optionTable.js";
import { absolutePath, quote } from "../mounts/paths.js";
import { diskDirectories, diskId } from "../mounts/stateDirectory.js";
import { printMountNotes } from "./mountNotes.js";
import { currentInvoker, toMountOptions } from "./mountOptions.js";
import { checkMountpoint } from "./mountpoint.js";
import { printLine } from "./print.js";
import { formatBytes } from "./sizes.js";
import { requireRoot } from "./usage.js";

interface UpFlags extends RawOptions {
  fs?: string;
  pool?: string;
}

function parseFileSystem(text: string | undefined): FileSystemType | null {
  if (text === undefined) return null;
  const found = FILE_SYSTEMS.find((name) => name === text);
  if (found !== undefined) return found;
  throw new UserError(`up --fs ${text}`, "not a file system that up can make", {
    cure: FILE_SYSTEMS.join(", "),
    exitCode: 2,
  });
}

interface Made {
  readonly loop: string;
  readonly type: string;
  /** False when the file system was there before. */
  readonly fresh: boolean;
  readonly sizeBytes: number;
  readonly io: "served" | "direct";
  readonly wasUnclean: boolean;
}

/** A journal that needs pages to be replayed finds none: the file system is not damaged, but cannot be written to. */
function fullPool(mountpoint: string, error: unknown): UserError {
  const reason = error instanceof UserError ? error.reason : String(error);
  return new UserError(`up ${mountpoint}`, `the pool is full, and ${reason}`, {
    code: "ENOSPC",
    cure: "kmemfs mount, losetup and mount -o ro,noload (ext4) or ro,norecovery (xfs) to copy the data off",
  });
}

/** Every step of `up`, each undone when a later one fails. */
async function makeDisk(options: MountOptions, wanted: FileSystemType | null, signal: AbortSignal): Promise<Made> {
  const { mountpoint } = options;
  return allOrNothing(async (rollback) => {
    const disk = await bringUpMount(options, rollback);
    const choose = (device: string) => chooseFileSystem(device, wanted, disk, signal);
    const explain = (error: unknown) => (disk.freeBytes > 0 ? error : fullPool(mountpoint, error));
    const wish = { directory: mountpoint, choose, signal, explain };
    const { loop, type, fresh } = await bringUpFileSystem(disk, wish, rollback);
    return { loop: loop.path, type, fresh, sizeBytes: disk.sizeBytes, io: disk.io, wasUnclean: disk.wasUnclean };
  });
}

/** The pool is about to be made: there is no file system that could be kept. */
function isBlankPool({ pool, create }: MountOptions): boolean {
  return pool.kind !== "path" || (create && !existsSync(pool.path));
}

async function up(mountpointText: string, flags: UpFlags): Promise<void> {
  const { fs, pool, ...raw } = flags;
  const invoker = currentInvoker();
  const mountpoint = absolutePath(mountpointText, invoker.directory);
  const what = `up ${mountpoint}`;
  const wanted = parseFileSystem(fs);
  toMountOptions(pool, { mountpoint, fuseDirectory: mountpoint }, raw, invoker);
  requireRoot(what, `kmemfs up ${quote(mountpointText)}`);

  const there = await findDisk(mountpoint);
  if (there !== null && (there.givenUp ?? null) !== null) {
    throw new UserError(what, `its disk was given up because ${there.givenUp}; the pool is kept`, {
      code: "EBUSY",
      cure: `kmemfs recover --up ${quote(mountpoint)}, or kmemfs down ${quote(mountpoint)} to discard it`,
    });
  }
  if (there !== null) {
    throw new UserError(what, "there is already a kmemfs disk", {
      code: "EBUSY",
      cure: `kmemfs down ${quote(mountpoint)}`,
    });
  }
  if ((await findDead(what, mountpoint)) !== null) {
    throw new UserError(what, "a disk without a server is in the way", {
      code: "ENOTCONN",
      cure: `kmemfs down ${quote(mountpoint)}`,
    });
  }
  checkMountpoint(what, mountpoint, readMounts());
  // Private, as only the loop device uses it.
  const fuseDirectory = join(diskDirectories(), diskId(mountpoint));
  const options = toMountOptions(pool, { mountpoint, fuseDirectory }, raw, invoker);
  if (isBlankPool(options)) requireSize(what, wanted ?? "ext4", options.sizeBytes ?? Number.POSITIVE_INFINITY);
  const made = await interruptible(what, (signal) => makeDisk(options, wanted, signal));
  const how = made.fresh ? "a new" : "the";
  printLine(`${mountpoint}: ${how} ${made.type} on ${made.loop}, ${formatBytes(made.sizeBytes)}`);
  if (made.wasUnclean) printLine("  the pool was not closed cleanly; all of it was checked");
  printLine(`  I/O mode ${made.io}; the loop device uses direct I/O`);
  printLine(`  to return the memory of deleted files:  kmemfs trim ${quote(mountpoint)}`);
  printLine(`  to take the disk down:                  kmemfs down ${quote(mountpoint)}`);
  printMountNotes();
}

export function defineUp(command: Command): void {
  command
    .description(
      "Makes a disk with a file system and mounts it on MOUNTPOINT. A file system that is already in the pool is kept. Needs root.",
    )
    .argument("<mountpoint>", "an empty directory for the file system")
    .option("--fs <type>", "ext4 (the default), xfs or btrfs")
    .option("--pool <pool>", "tmpfs (the default), memfd, a file, a directory, or /dev/daxX.Y")
    .addHelpText("after", "\nExample:\n  mkdir -p /mnt/ram && kmemfs up /mnt/ram --size 4G")
    .action(up);
  for (const { flags, help } of flagsOf("up")) command.option(flags, help);
}
