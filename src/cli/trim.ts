/** `kmemfs trim MOUNTPOINT`: discards unused blocks of the file systems; prints the memory before and after. */
import type { Command } from "commander";
import { UserError } from "../base/errors.js";
import { syncFileSystems, trimFileSystem } from "../disk/fileSystems.js";
import { placeOf, requireDisk } from "../disk/findDisk.js";
import { readUse } from "../disk/inUse.js";
import { interruptible } from "../disk/rollback.js";
import { isReachable } from "../linux/mount/mountHandle.js";
import type { MountEntry } from "../linux/proc/mounts.js";
import { quote } from "../mounts/paths.js";
import { FIGURE_COLUMNS, figureCells, readFigures } from "./figures.js";
import { formatTable, printLine } from "./print.js";
import { formatBytes } from "./sizes.js";
import { requireRoot } from "./usage.js";

/** One mount a file system: one that its path leads to, and of the whole tree rather than a part. */
async function oneEach(mounts: readonly MountEntry[]): Promise<MountEntry[]> {
  const rank = (mount: MountEntry): number => (isReachable(mount) ? 2 : 0) + (mount.root === "/" ? 1 : 0);
  const best = new Map<string, MountEntry>();
  for (const mount of mounts.toSorted((a, b) => rank(a) - rank(b))) best.set(mount.majorMinor, mount);
  return [...best.values()];
}

async function trim(mountpoint: string): Promise<void> {
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
    await syncFileSystems(mounts, signal);
    const before = await readFigures(disk.mountpoint);
    for (const mount of mounts) {
      const bytes = await trimFileSystem(mount, signal);
      printLine(`${mount.mountpoint}: ${formatBytes(bytes)} (${bytes} bytes) trimmed on ${mount.source}`);
    }
    const after = await readFigures(disk.mountpoint);
    const rows = [
      ["before", ...figureCells(before)],
      ["after", ...figureCells(after)],
    ];
    for (const line of formatTable([{ title: "" }, ...FIGURE_COLUMNS], rows)) printLine(line);
    printLine(`${formatBytes(Math.max(0, before.poolBytes - after.poolBytes))} returned to the machine`);
  });
}

export function defineTrim(command: Command): void {
  command
    .description("Trims the file systems on a disk and shows the memory before and after. Needs root.")
    .argument("<mountpoint>", "where the file system or the disk is mounted")
    .option("--debug", "show stack traces on errors")
    .action(trim);
}
