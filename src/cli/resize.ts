/** `kmemfs resize MOUNTPOINT SIZE [--force]`: resizes a mounted disk. */
import type { Command } from "commander";
import { makeCalls } from "../disk/call.js";
import { probeDevice } from "../disk/fileSystems.js";
import { requireDisk } from "../disk/findDisk.js";
import { useOf } from "../disk/inUse.js";
import { mountsOnLoops } from "../disk/loopFiles.js";
import { resizeDisk } from "../disk/resize.js";
import { busy } from "../disk/users.js";
import type { LoopNodes } from "../linux/proc/loopDevices.js";
import type { MountEntry } from "../linux/proc/mounts.js";
import { quote } from "../mounts/paths.js";
import type { MountStatus } from "../mounts/status.js";
import { printLine } from "./print.js";
import { formatBytes, parsePageSizeFloor } from "./sizes.js";

const SIZE_TIMEOUT_MS = 30_000;

interface ResizeFlags {
  force?: boolean;
}

/** What makes the file system on `loop` as large as its device. */
export function growCommand(loop: string, mount: MountEntry | undefined): string {
  if (mount?.fsType.startsWith("ext")) return `resize2fs ${loop}`;
  if (mount?.fsType === "xfs") return `xfs_growfs ${quote(mount.mountpoint)}`;
  if (mount?.fsType === "btrfs") return `btrfs filesystem resize max ${quote(mount.mountpoint)}`;
  return "resize2fs; or, once mounted, xfs_growfs or btrfs filesystem resize max";
}

/** A loop device of a file that ends before it does has lost its end. @throws UserError */
function refuseLoops(what: string, loops: readonly LoopNodes[]): void {
  if (loops.length === 0) return;
  const paths = loops.map((loop) => loop.path);
  throw busy(
    what,
    [`its loop device ${paths.join(", ")} would be truncated`],
    `unmount and shrink what is on it, losetup -d ${paths.join(" ")}, then resize with --force`,
  );
}

/** @throws UserError naming what would lose its end */
async function refuseContent(what: string, disk: MountStatus): Promise<void> {
  const content = await probeDevice(disk.file);
  if (content.kind === "blank") return;
  const name = content.kind === "fileSystem" ? content.type : content.name;
  throw busy(what, [`${name} on it may be truncated`], "shrink what is on it, then resize with --force");
}

async function resize(mountpoint: string, sizeText: string, flags: ResizeFlags): Promise<void> {
  const sizeBytes = parsePageSizeFloor(sizeText, `resize ${sizeText}`);

  const disk = await requireDisk("resize", mountpoint);
  const what = `resize ${disk.mountpoint}`;
  const { loops, fileSystems } = await useOf(disk);
  if (sizeBytes < disk.sizeBytes) {
    refuseLoops(what, loops);
    if (!flags.force) await refuseContent(what, disk);
  }
  await resizeDisk(disk, sizeBytes);
  printLine(`${quote(disk.mountpoint)}: ${formatBytes(sizeBytes)}, was ${formatBytes(disk.sizeBytes)}`);
  for (const loop of loops) {
    const { path } = loop;
    await makeCalls(what, [{ act: "loop-size", path }], { timeoutMs: SIZE_TIMEOUT_MS });
    const [mount] = mountsOnLoops([loop], fileSystems);
    printLine(`  ${path} has that size too; to grow the file system on it: ${growCommand(path, mount)}`);
  }
}

export function defineResize(command: Command): void {
  command
    .description(
      "Resizes a mounted disk, up to the --max-size of its pool. Loop devices on it follow; growing the file system " +
        "is up to you. Without --force a disk with anything on it is not made smaller.",
    )
    .argument("<mountpoint>", "where the disk or its file system is mounted")
    .argument("<size>", "512M, 4G, 1.5GiB, 4GB, or bytes; whole blocks of 4096 bytes")
    .option("--force", "make it smaller even if something is on it: everything past the new end is lost")
    .action(resize);
}
