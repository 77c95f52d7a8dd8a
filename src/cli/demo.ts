/** `kmemfs demo`: the whole life of a disk in a temporary place, with figures after each step. */
import { mkdirSync, mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { UserError } from "../base/errors.js";
import { MIB } from "../base/units.js";
import { allOrNothing, interruptible, type UndoStack } from "../disk/rollback.js";
import { type MountEntry, readMounts } from "../linux/proc/mounts.js";
import { machineMemory } from "../linux/proc/proc.js";
import { currentCaller, toMountOptions } from "./mountOptions.js";
import { type Column, formatRow, printLine } from "./print.js";
import { requireRoot } from "./root.js";
import { formatBytes, parsePageSizeFloor } from "./sizes.js";

const MIN_BYTES = 64 * MIB;
const DATA_TIMEOUT_MS = 600_000;

async function loadParts() {
  const [client, figures, systems, loops, { runOk }, { mountsOnLoops }] = await Promise.all([
    import("../mounts/client.js"),
    import("./figures.js"),
    import("../disk/fileSystems.js"),
    import("../disk/loop.js"),
    import("../linux/process/command.js"),
    import("../disk/inUse.js"),
  ]);
  return { client, figures, systems, loops, runOk, mountsOnLoops };
}

type Parts = Awaited<ReturnType<typeof loadParts>>;
type Figures = ReturnType<Parts["figures"]["NO_DISK"]>;
type Report = (step: string) => Promise<Figures>;

/** Prints the table row by row; the widths are known before the first. */
function makeReport(parts: Parts, mountpoint: string): Report {
  const columns: readonly Column[] = [{ title: "STEP", minWidth: 30 }, ...parts.figures.FIGURE_COLUMNS];
  const widths = columns.map((column) => Math.max(column.title.length, column.minWidth ?? 0));
  printLine(
    formatRow(
      columns,
      widths,
      columns.map((column) => column.title),
    ),
  );
  return async (step) => {
    const figures = await parts.figures.readFigures(mountpoint);
    printLine(formatRow(columns, widths, [step, ...parts.figures.figureCells(figures)]));
    return figures;
  };
}

function checkRoom(sizeBytes: number): void {
  const what = `demo --size ${formatBytes(sizeBytes)}`;
  if (sizeBytes < MIN_BYTES) {
    throw new UserError(what, "too small to show anything", {
      cure: `at least ${formatBytes(MIN_BYTES)}`,
      exitCode: 2,
    });
  }
  const available = machineMemory().availableBytes;
  if (sizeBytes > available) {
    throw new UserError(what, `the machine has ${formatBytes(available)} available`, {
      code: "ENOMEM",
      cure: "a smaller --size",
    });
  }
}

interface Place {
  readonly disk: string;
  readonly files: string;
}

function makePlace(undo: UndoStack): Place {
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
  parts: Parts,
  place: Place,
  mounted: readonly MountEntry[],
  dataBytes: number,
  report: Report,
  signal: AbortSignal,
) {
  const { runOk, systems } = parts;
  const limits = { timeoutMs: DATA_TIMEOUT_MS, signal };
  const file = join(place.files, "data");
  const count = Math.floor(dataBytes / MIB);
  const copy = ["if=/dev/urandom", `of=${file}`, "bs=1M", `count=${count}`, "status=none"];
  await runOk("write a file", "dd", copy, limits);
  await systems.syncFileSystems(mounted, signal);
  const full = await report(`write ${formatBytes(count * MIB)}, sync`);
  await runOk("delete the file", "rm", [file], limits);
  await systems.syncFileSystems(mounted, signal);
  await report("delete it, sync");
  for (const mount of mounted) await systems.trimFileSystem(mount, signal);
  return { full, trimmed: await report("fstrim") };
}

async function life(parts: Parts, sizeBytes: number, undo: UndoStack, signal: AbortSignal): Promise<void> {
  const { client, loops, systems, mountsOnLoops } = parts;
  const place = makePlace(undo);
  const words = { size: String(sizeBytes) };
  const options = toMountOptions(
    undefined,
    { mountpoint: place.disk, fuseDirectory: place.disk },
    words,
    currentCaller(),
  );
  const report = makeReport(parts, place.disk);
  await report("before");
  const disk = await client.startMount(options);
  undo.push("mount", () => client.stopMount(disk, { force: true }));
  await report(`kmemfs mount --size ${formatBytes(sizeBytes)}`);
  signal.throwIfAborted();
  const attached = loops.attachLoop(disk);
  const loop = attached.path;
  undo.push(loop, () => loops.detachLoop(`losetup -d ${loop}`, attached));
  await report(`losetup ${loop}`);
  signal.throwIfAborted();
  await systems.makeFileSystem("ext4", loop, true, signal);
  await report("mkfs.ext4");
  signal.throwIfAborted();
  await systems.mountFileSystem("ext4", loop, place.files);
  const mounted = mountsOnLoops([attached], readMounts());
  undo.push("umount", async () => {
    for (const mount of mounted) await systems.unmountFileSystem(mount);
  });
  await report("mount");
  const { full, trimmed } = await useFiles(parts, place, mounted, sizeBytes / 2, report, signal);
  const failures = await undo.unwind();
  if (failures.length > 0) throw new UserError("demo: tear-down", failures.join("; "));
  const end = await report("umount, losetup -d, unmount");
  const back = full.poolBytes - trimmed.poolBytes;
  printLine();
  printLine(
    `Deleting the file and fstrim gave ${formatBytes(back)} of ${formatBytes(full.poolBytes)} back to the machine; ` +
      `the tear-down gave the last ${formatBytes(trimmed.poolBytes - end.poolBytes)}.`,
  );
}

async function demo(flags: { size: string }): Promise<void> {
  const sizeBytes = parsePageSizeFloor(flags.size, `demo --size ${flags.size}`);
  checkRoom(sizeBytes);
  requireRoot("demo", "kmemfs demo");
  const parts = await loadParts();
  await interruptible("demo", (signal) => allOrNothing((undo) => life(parts, sizeBytes, undo, signal)));
}

export function addDemoCommand(program: Command): void {
  program
    .command("demo")
    .summary("the life of a disk, with figures")
    .description(
      "Makes a disk in a temporary place, fills it, deletes, trims, and shows what memory it takes. Needs root.",
    )
    .usage("[--size SIZE]")
    .option("--size <size>", "size of the disk; half of it is filled", "512M")
    .option("--debug", "stack traces with errors")
    .action(demo);
}
