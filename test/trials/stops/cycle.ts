/** From a pool that opens to a pool that opens again: mount, load, perhaps a dead server, stop, look at what is left. */
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { findMount } from "../../../src/mounts/client.js";
import { diskDirectories, diskId } from "../../../src/mounts/stateDirectory.js";
import { controlSocket, type Place } from "../../support/place.js";
import { type Background, run, start, until } from "../../support/processes.js";
import type { Random } from "../../support/random.js";
import { kmemfs, requireClean } from "../failover/kmemfs.js";
import { pause, within } from "../load/within.js";
import { STOP_MS, type StopWay } from "./ways.js";

export interface StopFigures {
  readonly stopMs: number;
  /** The server was killed just before. */
  readonly wasKilled: boolean;
}

export interface StopPools {
  /** Mounted by itself. */
  readonly file: string;
  /** Has a file system, for `up`. */
  readonly disk: string;
  readonly io: "served" | "direct";
  /** Those of the two that were written on. */
  readonly marked: Set<string>;
}

const KILLED_SHARE = 0.5;
/** From the death of a server to the stop: the next one starts, or serves. */
const AFTER_KILL_MS = 300;
/** From the beginning of the load to the stop. */
const LOAD_MS = 500;
const START_MS = 20_000;
/** What is written before the load begins, which leaves it alone. */
const MARK_BYTES = 2 ** 20;
const FIO = [
  "--name=load",
  "--rw=randwrite",
  "--bs=4k",
  "--direct=1",
  "--ioengine=psync",
  "--numjobs=2",
  "--thread",
  "--time_based",
  "--runtime=120",
];

export async function stopCycle(place: Place, pools: StopPools, way: StopWay, random: Random): Promise<StopFigures> {
  const mountpoint = place.makeDirectory(way.onFileSystem ? "files" : "mounted");
  const pool = way.onFileSystem ? pools.disk : pools.file;
  await (way.onFileSystem
    ? kmemfs(["up", mountpoint, "--pool", pool, "--io", pools.io])
    : kmemfs(["mount", pool, mountpoint, "--io", pools.io]));
  const status = await findMount(mountpoint);
  if (status === null || status.serverPid === null) throw new Error(`${mountpoint} has no server`);
  const mark = way.onFileSystem ? join(mountpoint, "mark") : status.file;
  await compareMark(mark, pools.marked.has(pool), status.wasUnclean);
  pools.marked.add(pool);
  const inside = join(mountpoint, "load");
  // Not the mountpoint itself: what fio opens after the end must not be made below it.
  if (way.onFileSystem) mkdirSync(inside, { recursive: true });
  const target = way.onFileSystem
    ? [`--directory=${inside}`, "--size=16m", "--overwrite=1"]
    : [`--filename=${status.file}`, `--offset=${MARK_BYTES}`, "--size=32m", "--allow_file_create=0"];
  const load = start("fio", [...FIO, ...target], { cwd: "/" });
  place.cleanup.add("fio", () => ended(load));
  await until(() => hasOpen(load.pid, way.onFileSystem ? mountpoint : status.file), START_MS, "fio to open its file");
  await pause(LOAD_MS * random.next());
  const wasKilled = random.chance(KILLED_SHARE);
  if (wasKilled) {
    process.kill(status.serverPid, "SIGKILL");
    await pause(random.next() * AFTER_KILL_MS);
  }
  const begunMs = performance.now();
  await way.stop({ mountpoint, holderPid: status.holderPid, load });
  const stopMs = performance.now() - begunMs;
  // Somebody may still wait for what nobody answers any more: that would be a process in state D for ever.
  await ended(load);
  await requireNothing(place, mountpoint);
  await requirePool(pool, way);
  return { stopMs, wasKilled };
}

/** What was written at the first mount is there at every other one. The mark is a range of the disk, or a file. */
async function compareMark(path: string, isMarked: boolean, wasUnclean: boolean): Promise<void> {
  const pattern = `yes kmemfs | head -c ${MARK_BYTES}`;
  if (!isMarked) {
    await run("sh", ["-c", `${pattern} | dd of='${path}' bs=64k conv=notrunc,fsync iflag=fullblock status=none`]);
    return;
  }
  const { status, stderr } = await run("sh", ["-c", `${pattern} | cmp - '${path}' -n ${MARK_BYTES}`], {
    allowFail: true,
  });
  if (status !== 0) throw new Error(`the mark is lost (the pool was ${wasUnclean ? "not " : ""}closed): ${stderr}`);
}

/** From its links alone: nobody has to answer for them. */
function hasOpen(pid: number, path: string): boolean {
  try {
    const links = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
    return links.some((link) => link.startsWith(path));
  } catch {
    return false;
  }
}

async function ended(load: Background): Promise<void> {
  await within(STOP_MS, `fio ${load.pid} to end (${stateOf(load.pid)})`, load.stop(2_000));
}

/** `D (disk sleep)` for one that waits in the kernel. */
function stateOf(pid: number): string {
  try {
    return /^State:\s*(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "unknown";
  } catch {
    return "gone";
  }
}

/** No mount, no loop device, no process, no socket, no private directory. */
async function requireNothing(place: Place, mountpoint: string): Promise<void> {
  await place.expectNothingLeft();
  for (const path of [controlSocket(mountpoint), join(diskDirectories(), diskId(mountpoint))]) {
    if (existsSync(path)) throw new Error(`left behind: ${path}`);
  }
}

/** A pool that was stopped in order is closed; any other has no fault. */
async function requirePool(pool: string, { isForced }: StopWay): Promise<void> {
  if (isForced) {
    await kmemfs(["check", pool]);
    return;
  }
  await requireClean(pool);
  const { stdout } = await kmemfs(["dump", pool]);
  if (!/^state clean$/m.test(stdout)) throw new Error(`the superblock says ${/^state .*$/m.exec(stdout)?.[0]}`);
}
