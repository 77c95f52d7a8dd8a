/**
 * A file system on a loop device on the file, from mkfs to fsck: files are
 * copied, compared, deleted, and the trim gives their memory back.
 */
import { expect } from "vitest";
import type { Disk } from "./disk.js";
import type { FileSystemType, Place } from "./place.js";
import { run } from "./processes.js";
import { projectRoot } from "./project.js";

/** About 130 MB in some 1,500 files, which every checkout has. */
const TREE = ["typescript", "@biomejs", "@types", "vitest", "zod"].map((name) => `${projectRoot}/node_modules/${name}`);
const LEAST_TREE_BYTES = 60e6;
const LONG = { timeoutMs: 120_000 };

const FSCK: Readonly<Record<FileSystemType, readonly string[]>> = {
  ext4: ["e2fsck", "-fn"],
  xfs: ["xfs_repair", "-n"],
  btrfs: ["btrfs", "check"],
};

/** Commits what was deleted, then discards what is free. */
async function trim(files: string): Promise<void> {
  await run("sync", ["-f", files], LONG);
  await run("fstrim", [files], LONG);
}

/**
 * What is read next comes from the disk. Not by drop_caches, which waits for every file
 * system of the machine, also for one whose server another test has stopped.
 */
async function forgetPages(files: string): Promise<void> {
  await run("sync", ["-f", files], LONG);
  await run("sh", ["-c", `find ${files} -type f -print0 | xargs -0 -n 500 xfs_io -r -c 'fadvise -d 0 0'`], LONG);
}

async function copyAndCompare(files: string): Promise<void> {
  await run("cp", ["-a", ...TREE, files], LONG);
  await forgetPages(files);
  for (const source of TREE) await run("diff", ["-r", source, `${files}/${source.split("/").pop()}`], LONG);
}

/**
 * Writes every block of the device with what it holds. mkfs.ext4 leaves journal
 * and inode tables as holes, which fill with use; after this and a trim exactly
 * what belongs to the file system itself is mapped.
 */
async function mapAll(device: string): Promise<void> {
  const directions = [`if=${device}`, `of=${device}`, "iflag=direct", "oflag=direct"];
  await run("dd", [...directions, "bs=1M", "conv=notrunc", "status=none"], LONG);
}

export async function liveOnFileSystem(type: FileSystemType, disk: Disk, place: Place): Promise<void> {
  const device = await disk.loop();
  await place.makeFileSystem(type, device);
  if (type === "ext4") await mapAll(device);
  const files = await place.mountFileSystem(type, device);
  await trim(files);
  const empty = await disk.expectAccount();

  await copyAndCompare(files);
  const full = await disk.expectAccount();
  expect(full.usedBytes - empty.usedBytes).toBeGreaterThan(LEAST_TREE_BYTES);

  await run("rm", ["-r", ...TREE.map((source) => `${files}/${source.split("/").pop()}`)], LONG);
  await trim(files);
  // What the log still held of the deletion is free after another commit.
  await trim(files);
  const trimmed = await disk.expectAccount();
  expect(trimmed.usedBytes, "after the trim, against empty").toBeLessThanOrEqual(1.02 * empty.usedBytes);

  await place.umount(files);
  const [command = "", ...args] = FSCK[type];
  await run(command, [...args, device], LONG);
}
