/** `kmemfs resize MOUNTPOINT SIZE [--force]`: another size of a disk that is mounted. */
import type { Command } from "commander";
import { UserError } from "../base/errors.js";
import { makeCalls } from "../disk/call.js";
import { probeDevice } from "../disk/fileSystems.js";
import { placeOf, requireDisk } from "../disk/findDisk.js";
import { mountsOnLoops, readUse } from "../disk/inUse.js";
import { resizeDisk } from "../disk/resize.js";
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
  return "resize2fs, or mounted xfs_growfs or btrfs filesystem resize max";
}

/** A loop device of a file that ends before it does has lost its end. @throws UserError */
function refuseLoops(what: string, loops: readonly string[]): void {
  if (loops.length === 0) return;
  throw new UserError(what, `${loops.join(", ")} on its file would lose its end`, {
    code: "EBUSY",
    cure: `umount, make what is on it smaller, losetup -d ${loops.join(" ")}, then again with --force`,
  });
}

/** @throws UserError naming what would lose its end */
async function refuseContent(what: string, disk: MountStatus): Promise<void> {
  const content = await probeDevice(disk.file);
  if (content.kind === "blank") return;
  const name = content.kind === "fileSystem" ? content.type : content.name;
  throw new UserError(what, `${name} on it may lose its end`, {
    code: "EBUSY",
    cure: "--force, once what is on it is smaller",
  });
}

async function resize(mountpoint: string, sizeText: string, flags: ResizeFlags): Promise<void> {
  const sizeBytes = parsePageSizeFloor(sizeText, `resize ${sizeText}`);

  const disk = await requireDisk("resize", mountpoint);
  const what = `resize ${disk.mountpoint}`;
  const place = placeOf(disk);
  const use = place === null ? null : await readUse(place.device, place.fuseDirectory);
  const loops = use?.loops ?? [];
  if (sizeBytes < disk.sizeBytes) {
    refuseLoops(
      what,
      loops.map((loop) => loop.path),
    );
    if (!flags.force) await refuseContent(what, disk);
  }
  await resizeDisk(disk, sizeBytes);
  printLine(`${quote(disk.mountpoint)}: ${formatBytes(sizeBytes)}, was ${formatBytes(disk.sizeBytes)}`);
  for (const loop of loops) {
    const { path } = loop;
    await makeCalls(what, [{ act: "loop-size", path }], { timeoutMs: SIZE_TIMEOUT_MS });
    const [mount] = mountsOnLoops([loop], use?.fileSystems ?? []);
    printLine(`  ${path} has that size too; the file system on it grows by ${growCommand(path, mount)}`);
  }
}

export function defineResize(command: Command): void {
  command
    .description(
      "Gives the file of a mounted disk another size, up to the --max-size of its pool. Loop devices on it get the " +
        "size too; the file system is yours to grow. It is not made smaller than what is on it.",
    )
    .argument("<mountpoint>", "where the disk or its file system is mounted")
    .argument("<size>", "512M, 4G, 1.5GiB, 4GB, or bytes; whole blocks of 4096 bytes")
    .option("--force", "make it smaller though something is on it: what is behind the new end is lost")
    .option("--debug", "stack traces with errors")
    .action(resize);
}
