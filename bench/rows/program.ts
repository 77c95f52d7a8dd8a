/** Rows of the program itself: what its commands take, in times of bare node, and the memory of its idle processes. */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { isMounted, makeDirectory, unmount } from "../place.js";
import { processTree } from "../processTree.js";
import { command } from "../shell.js";
import { kmemfsCommand, statusOf } from "../sides/kmemfs.js";
import type { Bench, Running } from "../sides/side.js";
import { spreadOf } from "../statistics.js";
import { withUndo } from "../undo.js";
import type { Row } from "./row.js";

/** Each command is started so often in a sample; its median counts. */
const STARTS = 5;
const DISK_SIZE = "256M";
/** A spare has loaded what it needs, and the holder's first look around is over. */
const SETTLE_MS = 3_000;
const DISKS = 10;

const median = (values: readonly number[]): number => spreadOf(values).median;

async function milliseconds(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

/** Does `work` on a directory on which disks come and go. */
function onDirectory<T>(
  side: Running,
  bench: Bench,
  name: string,
  work: (directory: string) => Promise<T>,
): Promise<T> {
  return withUndo(async (undo) => {
    const directory = makeDirectory(bench.place.path(`${side.way}-${name}`), undo);
    undo.add(`disk ${directory}`, async () => {
      if (isMounted(directory)) await kmemfsCommand(["down", directory]).catch(() => unmount(directory));
    });
    return work(directory);
  });
}

const commandsRow: Row = {
  name: "commands",
  title: "kmemfs up, over `node -e 0`",
  unit: "×",
  isOursAlone: true,
  isQuick: true,
  measure: (side, bench) =>
    onDirectory(side, bench, "commands", async (directory) => {
      const options = [directory, "--size", DISK_SIZE, "--io", side.way!];
      const lines: Readonly<Record<string, readonly string[]>> = {
        version: ["--version"],
        mount: ["mount", ...options],
        status: ["status", directory],
        unmount: ["unmount", directory],
        up: ["up", ...options],
        down: ["down", directory],
      };
      const taken = Object.fromEntries(["node", ...Object.keys(lines)].map((name): [string, number[]] => [name, []]));
      for (let round = 0; round < STARTS; round++) {
        taken.node!.push(await milliseconds(() => command(process.execPath, ["-e", "0"], bench)));
        for (const [name, args] of Object.entries(lines)) {
          taken[name]!.push(await milliseconds(() => kmemfsCommand(args, bench)));
        }
      }
      const times = (name: string): number => median(taken[name]!) / median(taken.node!);
      const details = {
        version: times("version"),
        mount: times("mount"),
        status: times("status"),
        down: times("down"),
      };
      return { value: times("up"), details: { ...details, nodeMs: median(taken.node!) } };
    }),
};

/** Memory that no other process has, of a disk's processes (proc_pid_smaps(5)). */
function privateBytes(holderPid: number): number {
  const texts = processTree(holderPid).map((pid) => readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"));
  const fields = texts.flatMap((text) => [...text.matchAll(/^Private_(?:Clean|Dirty): +(\d+) kB$/gm)]);
  return fields.reduce((sum, [, kib]) => sum + Number(kib) * 1024, 0);
}

/** Private memory of so many idle disks of `up`. */
async function idleBytes(side: Running, bench: Bench, disks: number, more: readonly string[]): Promise<number> {
  if (disks === 0) return 0;
  return onDirectory(side, bench, `idle-${disks}`, async (directory) => {
    await kmemfsCommand(["up", directory, "--size", DISK_SIZE, "--io", side.way!, ...more], bench);
    const others = await idleBytes(side, bench, disks - 1, more);
    if (disks === 1) await sleep(SETTLE_MS);
    return others + privateBytes((await statusOf(directory, side.way!, bench.signal)).holderPid);
  });
}

const idleRow: Row = {
  name: "idle-memory",
  title: "private memory of the processes of one idle disk of `up`",
  unit: "bytes",
  isOursAlone: true,
  isQuick: true,
  measure: async (side, bench) => ({
    value: await idleBytes(side, bench, 1, []),
    details: {
      noSpareBytes: await idleBytes(side, bench, 1, ["--no-spare"]),
      tenBytes: await idleBytes(side, bench, DISKS, []),
    },
  }),
};

export const programRows: readonly Row[] = [commandsRow, idleRow];
