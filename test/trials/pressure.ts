/**
 * Writing when memory is short: a pool takes all of the machine's memory but
 * `--leave` MiB, and on ext4 on it processes in a memory cgroup dirty far more than the
 * cgroup may hold, for `--seconds`. Something is written in every 5 seconds, no task
 * hangs, the file system is clean. Then the same with nbdfuse over nbdkit's memory.
 *
 * `--most MIB`: the pool takes no more, however much there is. `--side NAME`: only those whose names begin with it.
 */
import { readFileSync } from "node:fs";
import { trialArguments } from "./arguments.js";
import { KernelLog } from "./failover/kernelLog.js";
import { print, runTrial } from "./load/runTrial.js";
import { MemoryGroup } from "./pressure/group.js";
import { underPressure } from "./pressure/run.js";
import { SIDES } from "./pressure/sides.js";

const { more } = trialArguments(1);
const MIB = 2 ** 20;
/** The writers' own. */
const LIMIT_BYTES = 96 * MIB;
/** Below 1024 the pool itself refuses new pages. */
const DEFAULT_LEAVE_MIB = 1280;

function wanted(name: string, otherwise: number): number {
  const value = Number(more[name] ?? otherwise);
  if (!(value > 0)) throw new Error(`--${name} ${more[name]} is no number`);
  return value;
}

const seconds = wanted("seconds", 300);
const leaveMib = wanted("leave", DEFAULT_LEAVE_MIB);
const mostMib = wanted("most", Number.MAX_SAFE_INTEGER);
const sides = SIDES.filter(({ name }) => name.startsWith(more.side ?? ""));

function availableMib(): number {
  return Math.floor(Number(/^MemAvailable:\s+(\d+)/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1] ?? 0) / 1024);
}

print(`trial pressure: ${seconds} s on each of ${sides.map(({ name }) => name).join(", ")}, ${leaveMib} MiB left`);
const peer = sides.some(({ name }) => name === "nbdfuse") ? ["nbdfuse", "nbdkit"] : [];
const needs = {
  root: true,
  fuse: true,
  loop: true,
  commands: ["fio", "mkfs.ext4", "e2fsck", "losetup", ...peer],
  files: ["/dev/kmsg"],
};
await runTrial("pressure", `node scripts/trial.js pressure --seconds ${seconds}`, needs, async (place) => {
  const group = MemoryGroup.make(LIMIT_BYTES);
  if (typeof group === "string") {
    if (process.env.KMEMFS_REQUIRE_KERNEL === "1") throw new Error(group);
    return `skipped: ${group}`;
  }
  place.cleanup.add("the memory cgroup", () => group.remove());
  const log = KernelLog.open();
  const rates: string[] = [];
  for (const side of sides) {
    const sizeMib = Math.min(mostMib, availableMib() - leaveMib);
    const figures = await underPressure(place, side, group, log, { sizeBytes: sizeMib * MIB, seconds });
    const [rate, least] = [figures.bytesPerSecond, Math.min(...figures.windows) / 5].map((one) =>
      (one / MIB).toFixed(0),
    );
    print(`${side.name}: ${sizeMib} MiB full, ${rate} MiB/s written, in the slowest 5 s ${least} MiB/s`);
    rates.push(`${side.name} ${rate} MiB/s`);
  }
  log.close();
  return `${rates.join(", ")}; progress in each 5 s, no complaint of the kernel`;
});
