/** `kmemfs trim MOUNTPOINT`: fstrim, with the memory before and after. */
import type { Command } from "commander";
import { UserError } from "../base/errors.js";
import { quote } from "../daemon/disk/paths.js";
import { interruptible } from "../daemon/disk/undo.js";
import type { MountEntry } from "../linux/proc.js";
import { formatTable, printLine } from "./print.js";
import { requireRoot } from "./root.js";
import { formatBytes } from "./sizes.js";

/** One mount a file system: its whole tree where that is mounted. */
function oneEach(mounts: readonly MountEntry[]): MountEntry[] {
  const chosen = new Map<string, MountEntry>();
  for (const mount of mounts) if (!chosen.has(mount.source) || mount.root === "/") chosen.set(mount.source, mount);
  return [...chosen.values()];
}

async function trim(mountpoint: string): Promise<void> {
  const [{ requireDisk }, { mountsOn }, { loopsOn }, { trimFileSystem }, figures] = await Promise.all([
    import("./findDisk.js"),
    import("../daemon/disk/clearDisk.js"),
    import("../daemon/disk/loop.js"),
    import("../daemon/disk/fileSystem.js"),
    import("./figures.js"),
  ]);
  const disk = await requireDisk("trim", mountpoint);
  const what = `trim ${disk.mountpoint}`;
  const mounts = oneEach(mountsOn(loopsOn(disk.file)));
  if (mounts.length === 0) {
    throw new UserError(what, "no file system on it is mounted", {
      cure: `losetup --find --show --direct-io=on ${quote(disk.file)}, then mount`,
    });
  }
  requireRoot(what, `kmemfs trim ${quote(mountpoint)}`);
  const before = await figures.readFigures(disk.mountpoint);
  await interruptible(what, async (signal) => {
    for (const mount of mounts) printLine(await trimFileSystem(mount.mountpoint, signal));
  });
  const after = await figures.readFigures(disk.mountpoint);
  const rows = [
    ["before", ...figures.figureCells(before)],
    ["after", ...figures.figureCells(after)],
  ];
  for (const line of formatTable([{ title: "" }, ...figures.FIGURE_COLUMNS], rows)) printLine(line);
  printLine(`${formatBytes(Math.max(0, before.poolBytes - after.poolBytes))} went back to the machine`);
}

export function addTrimCommand(program: Command): void {
  program
    .command("trim")
    .summary("give the memory of deleted files back")
    .description("Runs fstrim on the file systems of a disk and shows the memory before and after. Needs root.")
    .usage("MOUNTPOINT")
    .argument("<mountpoint>", "where the file system or the disk is mounted")
    .option("--debug", "stack traces with errors")
    .action(trim);
}
