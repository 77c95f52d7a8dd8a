/** `kmemfs unmount MOUNTPOINT [--force]`: ends a mount that nothing uses any more. */
import { dirname } from "node:path";
import type { Command } from "commander";
import { UserError } from "../base/errors.js";
import { complaint, run } from "../daemon/disk/command.js";
import { absolutePath, KMEMFS_TYPES, mountAt, quote } from "../daemon/disk/paths.js";
import type { MountStatus } from "../daemon/status.js";
import { holdersOfMount, readMounts } from "../linux/proc.js";
import { printLine } from "./print.js";

/** What is on the file of a disk: its loop devices, and what is mounted on each. */
interface OnFile {
  readonly loop: string;
  readonly mountpoints: readonly string[];
}

async function onFile(file: string): Promise<OnFile[]> {
  const [{ mountsOn }, { loopsOn }] = await Promise.all([
    import("../daemon/disk/clearDisk.js"),
    import("../daemon/disk/loop.js"),
  ]);
  return loopsOn(file).map((loop) => ({ loop, mountpoints: mountsOn([loop]).map(({ mountpoint }) => mountpoint) }));
}

/** Whoever was forced off still has a device that gives errors. */
function printLeft(found: readonly OnFile[]): void {
  const mounts = found.flatMap(({ mountpoints }) => mountpoints);
  for (const mountpoint of mounts) printLine(`left to do: umount ${quote(mountpoint)}`);
  for (const { loop } of found) printLine(`left to do: losetup -d ${loop}`);
}

/** @throws UserError naming the loop devices on the file */
async function refuseLoops(what: string, found: readonly OnFile[], path: string): Promise<void> {
  if (found.length === 0) return;
  const { busy } = await import("../daemon/disk/holders.js");
  const blockers = found.map(({ loop, mountpoints }) => {
    const mounted = mountpoints.length === 0 ? "" : `, mounted on ${mountpoints.join(", ")}`;
    return `${loop} is on its file${mounted}`;
  });
  throw busy(what, blockers, `kmemfs down ${quote(path)}`);
}

/** Refuses when a process still has the file, naming it. */
async function refuseInUse(what: string, disk: MountStatus): Promise<void> {
  const { busy, describeHolders } = await import("../daemon/disk/holders.js");
  const holders = holdersOfMount(dirname(disk.file));
  if (holders.length === 0) return;
  throw busy(
    what,
    [`used by ${describeHolders(holders)}`],
    `end these, or kmemfs unmount --force ${quote(disk.mountpoint)}`,
  );
}

/** A kmemfs mount without a holder: what a killed one leaves behind. */
async function unmountDead(what: string, path: string, force: boolean): Promise<void> {
  const there = mountAt(path, readMounts());
  if (there === null || !KMEMFS_TYPES.has(there.fsType)) {
    throw new UserError(what, "not a kmemfs mount", { code: "EINVAL", cure: "kmemfs status" });
  }
  const { fileOf } = await import("../daemon/recover/remains.js");
  const found = await onFile(fileOf(there));
  if (!force) await refuseLoops(what, found, path);
  const root = process.geteuid?.() === 0;
  const [command, args] = root
    ? (["umount", [force ? "-l" : "-i", path]] as const)
    : (["fusermount3", ["-u", ...(force ? ["-z"] : []), path]] as const);
  const result = await run(command, args);
  if (result.exitCode === 0) {
    const { removeRecordAt } = await import("../daemon/client.js");
    await removeRecordAt(path);
    return printLeft(found);
  }
  throw new UserError(what, complaint(result), { cure: `kmemfs unmount --force ${quote(path)}` });
}

async function unmount(mountpoint: string, flags: { force?: boolean }): Promise<void> {
  const path = absolutePath(mountpoint, process.cwd());
  const what = `unmount ${path}`;
  const force = flags.force ?? false;
  const client = await import("../daemon/client.js");
  const disk = await client.findMount(path);
  if (disk === null) return unmountDead(what, path, force);
  const found = await onFile(disk.file);
  if (!force) {
    await refuseLoops(what, found, disk.mountpoint);
    await refuseInUse(what, disk);
  }
  await client.stopMount(disk, { force });
  printLeft(found);
}

export function addUnmountCommand(program: Command): void {
  program
    .command("unmount")
    .alias("umount")
    .summary("end a mount that nothing uses")
    .description("Ends a mount that nothing uses any more; what still does is named.")
    .usage("MOUNTPOINT [--force]")
    .argument("<mountpoint>", "where the disk is mounted")
    .option("--force", "end it all the same: whoever uses it gets errors, what it did not sync is lost")
    .option("--debug", "stack traces with errors")
    .action(unmount);
}
