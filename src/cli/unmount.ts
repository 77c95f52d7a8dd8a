/** `kmemfs unmount MOUNTPOINT [--force]`: ends a mount that nothing uses any more. */
import { dirname } from "node:path";
import type { Command } from "commander";
import { UserError } from "../base/errors.js";
import { complaint, run } from "../daemon/disk/command.js";
import { absolutePath, KMEMFS_TYPES, mountAt, quote } from "../daemon/disk/paths.js";
import type { MountStatus } from "../daemon/status.js";
import { holdersOfMount, readMounts } from "../linux/proc.js";
import { printLine } from "./print.js";

/** Refuses when a loop device or a process still has the file, naming them. */
async function refuseInUse(what: string, disk: MountStatus): Promise<void> {
  const [{ mountsOn }, { busy, describeHolders }, { loopsOn }] = await Promise.all([
    import("../daemon/disk/clearDisk.js"),
    import("../daemon/disk/holders.js"),
    import("../daemon/disk/loop.js"),
  ]);
  const directory = dirname(disk.file);
  const blockers = loopsOn(disk.file).map((loop) => {
    const mounted = mountsOn([loop]).map((mount) => mount.mountpoint);
    return `${loop} is on its file${mounted.length === 0 ? "" : `, mounted on ${mounted.join(", ")}`}`;
  });
  if (blockers.length > 0) throw busy(what, blockers, `kmemfs down ${quote(disk.mountpoint)}`);
  const holders = holdersOfMount(directory);
  if (holders.length > 0) {
    throw busy(
      what,
      [`used by ${describeHolders(holders)}`],
      `end these, or kmemfs unmount --force ${quote(disk.mountpoint)}`,
    );
  }
}

/** A kmemfs mount without a holder: what a killed one leaves behind. */
async function unmountDead(what: string, path: string, force: boolean): Promise<void> {
  const there = mountAt(path, readMounts());
  if (there === null || !KMEMFS_TYPES.has(there.fsType)) {
    throw new UserError(what, "not a kmemfs mount", { code: "EINVAL", cure: "kmemfs status" });
  }
  const root = process.geteuid?.() === 0;
  const [command, args] = root
    ? (["umount", [force ? "-l" : "-i", path]] as const)
    : (["fusermount3", ["-u", ...(force ? ["-z"] : []), path]] as const);
  const result = await run(command, args);
  if (result.exitCode === 0) {
    const { removeRecordAt } = await import("../daemon/client.js");
    return removeRecordAt(path);
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
  if (!force) await refuseInUse(what, disk);
  const [{ loopsOn }, { mountsOn }] = await Promise.all([
    import("../daemon/disk/loop.js"),
    import("../daemon/disk/clearDisk.js"),
  ]);
  const loops = loopsOn(disk.file);
  const orphans = mountsOn(loops).map((mount) => `umount ${quote(mount.mountpoint)}`);
  await client.stopMount(disk, { force });
  // Whoever was forced off still has a device that gives errors.
  for (const command of [...orphans, ...loops.map((loop) => `losetup -d ${loop}`)]) printLine(`left to do: ${command}`);
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
