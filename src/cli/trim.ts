/** `kmemfs trim MOUNTPOINT`: discards what the file systems do not use, with the memory before and after. */
import type { Command } from "commander";
import { UserError } from "../base/errors.js";
import { quote } from "../mounts/paths.js";
import { interruptible } from "../disk/rollback.js";
import type { MountEntry } from "../linux/proc/mounts.js";
import { formatTable, printLine } from "./print.js";
import { requireRoot } from "./root.js";
import { formatBytes } from "./sizes.js";

/** One mount a file system: one that its path leads to, and of the whole tree rather than a part. */
async function oneEach(mounts: readonly MountEntry[]): Promise<MountEntry[]> {
  const { isReachable } = await import("../linux/mount/mountHandle.js");
  const rank = (mount: MountEntry): number => (isReachable(mount) ? 2 : 0) + (mount.root === "/" ? 1 : 0);
  const best = new Map<string, MountEntry>();
  for (const mount of mounts.toSorted((a, b) => rank(a) - rank(b))) best.set(mount.majorMinor, mount);
  return [...best.values()];
}

async function trim(mountpoint: string): Promise<void> {
  const [{ requireDisk, placeOf }, { readUse }, systems, figures] = await Promise.all([
    import("../disk/findDisk.js"),
    import("../disk/inUse.js"),
    import("../disk/fileSystems.js"),
    import("./figures.js"),
  ]);
  const disk = await requireDisk("trim", mountpoint);
  const what = `trim ${disk.mountpoint}`;
  const place = placeOf(disk);
  const use = place === null ? null : await readUse(place.device, place.fuseDirectory);
  const mounts = await oneEach(use?.fileSystems ?? []);
  if (mounts.length === 0) {
    throw new UserError(what, "no file system on it is mounted", {
      cure: `losetup --find --show --direct-io=on ${quote(disk.file)}, then mount`,
    });
  }
  requireRoot(what, `kmemfs trim ${quote(mountpoint)}`);
  await interruptible(what, async (signal) => {
    // What was written and deleted before counts as before.
    await systems.syncFileSystems(mounts, signal);
    const before = await figures.readFigures(disk.mountpoint);
    for (const mount of mounts) {
      const bytes = await systems.trimFileSystem(mount, signal);
      printLine(`${mount.mountpoint}: ${formatBytes(bytes)} (${bytes} bytes) trimmed on ${mount.source}`);
    }
    const after = await figures.readFigures(disk.mountpoint);
    const rows = [
      ["before", ...figures.figureCells(before)],
      ["after", ...figures.figureCells(after)],
    ];
    for (const line of formatTable([{ title: "" }, ...figures.FIGURE_COLUMNS], rows)) printLine(line);
    printLine(`${formatBytes(Math.max(0, before.poolBytes - after.poolBytes))} went back to the machine`);
  });
}

export function addTrimCommand(program: Command): void {
  program
    .command("trim")
    .summary("give the memory of deleted files back")
    .description(
      "Discards what the file systems of a disk do not use and shows the memory before and after. Needs root.",
    )
    .usage("MOUNTPOINT")
    .argument("<mountpoint>", "where the file system or the disk is mounted")
    .option("--debug", "stack traces with errors")
    .action(trim);
}
