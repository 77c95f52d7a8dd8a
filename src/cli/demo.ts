/** `kmemfs demo`: the whole life of a disk in a temporary place, with figures after each step. */

import { mkdirSync, mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { UserError } from "../base/errors.js";
import { MIB } from "../base/units.js";
import { bringUpFileSystem, bringUpMount } from "../disk/bringUp.js";
import { makeFileSystem, syncFileSystems, trimFileSystem } from "../disk/fileSystems.js";
import { allOrNothing, interruptible, type Rollback } from "../disk/rollback.js";
import type { MountEntry } from "../linux/proc/mounts.js";
import { machineMemory } from "../linux/proc/proc.js";
import { runOk } from "../linux/process/command.js";
import { FIGURE_COLUMNS, type Figures, figureCells, readFigures } from "./figures.js";
import { currentInvoker, toMountOptions } from "./mountOptions.js";
import { type Column, formatTable, printLine } from "./print.js";
import { formatBytes, parsePageSizeFloor } from "./sizes.js";
import { requireRoot, wrongUsage } from "./usage.js";

const MIN_BYTES = 64 * MIB;
const DATA_TIMEOUT_MS = 600_000;

type Report = (step: string) => Promise<Figures>;

/** Prints the table row by row; the widths are known before the first. */
function makeReport(mountpoint: string): Report {
  const columns: readonly Column[] = [{ title: "STEP", minWidth: 30 }, ...FIGURE_COLUMNS];
  const [titles] = formatTable(columns, []);
  printLine(titles);
  return async (step) => {
    const figures = await readFigures(mountpoint);
    printLine(formatTable(columns, [[step, ...figureCells(figures)]])[1]);
    return figures;
  };
}

function checkRoom(sizeBytes: number): void {
  const what = `demo --size ${formatBytes(sizeBytes)}`;
  if (sizeBytes < MIN_BYTES) {
    throw wrongUsage(what, "too small for the demonstration", `at least ${formatBytes(MIN_BYTES)}`);
  }
  const available = machineMemory().availableBytes;
  if (sizeBytes > available) {
    throw new UserError(what, `only ${formatBytes(available)} of memory is available`, {
      code: "ENOMEM",
      cure: "a smaller --size",
    });
  }
}

interface Place {
  readonly disk: string;
  readonly files: string;
}

function makePlace(undo: Rollback): Place {
  const top = mkdtempSync(join(tmpdir(), "kmemfs-demo-"));
  const place = { disk: join(top, "disk"), files: join(top, "files") };
  undo.push(top, async () => {
    for (const path of [place.files, place.disk, top]) rmdirSync(path);
  });
  mkdirSync(place.disk);
  mkdirSync(place.files);
  return place;
}

/** Fills and empties the file system; returns the figures with the file there, and after fstrim. */
async function useFiles(
  place: Place,
  mounted: readonly MountEntry[],
  dataBytes: number,
  report: Report,
  signal: AbortSignal,
) {
  const limits = { timeoutMs: DATA_TIMEOUT_MS, signal };
  const file = join(place.files, "data");
  const count = Math.floor(dataBytes / MIB);
  const copy = ["if=/dev/urandom", `of=${file}`, "bs=1M", `count=${count}`, "status=none"];
  await runOk("write a file", "dd", copy, limits);
  await syncFileSystems(mounted, signal);
  const full = await report(`write ${formatBytes(count * MIB)}, sync`);
  await runOk("delete the file", "rm", [file], limits);
  await syncFileSystems(mounted, signal);
  await report("delete it, sync");
  for (const mount of mounted) await trimFileSystem(mount, signal);
  return { full, trimmed: await report("fstrim") };
}

async function life(sizeBytes: number, undo: Rollback, signal: AbortSignal): Promise<void> {
  const place = makePlace(undo);
  const raw = { size: String(sizeBytes) };
  const options = toMountOptions(
    undefined,
    { mountpoint: place.disk, fuseDirectory: place.disk },
    raw,
    currentInvoker(),
  );
  const report = makeReport(place.disk);
  await report("before");
  const disk = await bringUpMount(options, undo);
  await report(`kmemfs mount --size ${formatBytes(sizeBytes)}`);
  const choose = async (device: string) => {
    await makeFileSystem("ext4", device, true, signal);
    return { type: "ext4", fresh: true };
  };
  const wish = { directory: place.files, choose, signal, done: report };
  const { mounts: mounted } = await bringUpFileSystem(disk, wish, undo);
  const { full, trimmed } = await useFiles(place, mounted, sizeBytes / 2, report, signal);
  const failures = await undo.unwind();
  if (failures.length > 0) throw new UserError("demo: teardown", failures.join("; "));
  const end = await report("umount, losetup -d, unmount");
  const back = full.poolBytes - trimmed.poolBytes;
  printLine();
  printLine(
    `Deleting the file and running fstrim returned ${formatBytes(back)} of ${formatBytes(full.poolBytes)} to the machine; ` +
      `the teardown returned the remaining ${formatBytes(trimmed.poolBytes - end.poolBytes)}.`,
  );
}

async function demo(flags: { size: string }): Promise<void> {
  const sizeBytes = parsePageSizeFloor(flags.size, `demo --size ${flags.size}`);
  checkRoom(sizeBytes);
  requireRoot("demo", "kmemfs demo");
  await interruptible("demo", (signal) => allOrNothing((undo) => life(sizeBytes, undo, signal)));
}

export function defineDemo(command: Command): void {
  command
    .description(
      "Makes a disk in a temporary directory, fills it, deletes, trims, and shows how much memory it takes. Needs root.",
    )
    .option("--size <size>", "size of the disk; half of it is filled", "512M")
    .action(demo);
}
