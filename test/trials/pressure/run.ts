/** One side under pressure: filled, then written through ext4 by processes with little memory of their own. */
import { readFileSync } from "node:fs";
import type { Place } from "../../support/place.js";
import { run, start } from "../../support/processes.js";
import type { KernelLog } from "../failover/kernelLog.js";
import { pause, within } from "../load/within.js";
import type { MemoryGroup } from "./group.js";
import type { Side } from "./sides.js";

const WINDOW_MS = 5_000;
const SECTOR_BYTES = 512;
const MIB = 2 ** 20;
const WRITERS = 4;
const FILL_MS = 300_000;
/** The writers write out what they have dirtied when they end. */
const END_MS = 120_000;

export interface PressureFigures {
  /** Bytes that reached the device in each window. */
  readonly windows: readonly number[];
  readonly bytesPerSecond: number;
}

/** @throws Error when a window passes without progress, or somebody meets an error */
export async function underPressure(
  place: Place,
  side: Side,
  group: MemoryGroup,
  log: KernelLog,
  wishes: { readonly sizeBytes: number; readonly seconds: number },
): Promise<PressureFigures> {
  const { sizeBytes, seconds } = wishes;
  const file = await side.start(place, sizeBytes);
  await fill(file, sizeBytes);
  const device = await place.loop(file, ["--sector-size", "4096"]);
  log.forget();
  // mkfs does not discard: the pool stays as full as it was made.
  await place.makeFileSystem("ext4", device);
  const name = `files-${side.name.replace(" ", "-")}`;
  const files = await place.mountFileSystem("ext4", device, name);
  const [command, ...args] = group.inside("fio", writers(files, sizeBytes, seconds));
  const load = start(command, args, { cwd: "/" });
  place.cleanup.add("the writers", () => load.stop());
  const windows = await watch(side, device, seconds);
  const status = await within(END_MS, `the writers on ${side.name} to end`, load.exited);
  if (status !== 0) throw new Error(`${side.name}: fio ends with ${status}: ${load.stderr().trim().slice(-1000)}`);
  await place.umount(files);
  await run("e2fsck", ["-f", "-n", device], { timeoutMs: END_MS });
  log.requireQuiet([device.replace("/dev/", "")]);
  await place.detach(device);
  await side.stop(place);
  const bytes = windows.reduce((sum, one) => sum + one, 0);
  return { windows, bytesPerSecond: bytes / ((windows.length * WINDOW_MS) / 1000) };
}

/** All of it, with what is no zero, so that every page is there. */
async function fill(file: string, sizeBytes: number): Promise<void> {
  const job = ["--rw=write", "--bs=1M", "--ioengine=psync", `--size=${sizeBytes}`, "--allow_file_create=0"];
  await run("fio", ["--name=fill", `--filename=${file}`, ...job], { cwd: "/", timeoutMs: FILL_MS });
}

/** Buffered: what they dirty, far more than the limit of their group, must be written out before they can go on. */
function writers(directory: string, sizeBytes: number, seconds: number): string[] {
  const each = Math.min(MIB * 1024, Math.floor(sizeBytes / 2 / WRITERS / MIB) * MIB);
  return [
    "--name=dirty",
    `--directory=${directory}`,
    "--rw=write",
    "--bs=256k",
    "--ioengine=psync",
    "--direct=0",
    `--size=${each}`,
    `--numjobs=${WRITERS}`,
    "--fallocate=none",
    "--time_based",
    `--runtime=${seconds}`,
    "--minimal",
  ];
}

/** @returns what was written in each window */
async function watch(side: Side, device: string, seconds: number): Promise<number[]> {
  const windows: number[] = [];
  let before = writtenBytes(device);
  for (let i = 0; i < Math.floor((seconds * 1000) / WINDOW_MS); i++) {
    await pause(WINDOW_MS);
    const now = writtenBytes(device);
    windows.push(now - before);
    if (now === before)
      throw new Error(`${side.name}: nothing was written for ${WINDOW_MS} ms, after ${windows.length}`);
    before = now;
  }
  return windows;
}

/** Of a loop device, by its own account. */
function writtenBytes(device: string): number {
  const fields = readFileSync(`/sys/block/${device.replace("/dev/", "")}/stat`, "utf8")
    .trim()
    .split(/\s+/);
  return Number(fields[6]) * SECTOR_BYTES;
}
