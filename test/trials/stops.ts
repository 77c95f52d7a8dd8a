/**
 * Stopping a disk that is in use, `--count` times in each way: signals to the holder,
 * `unmount` and `down` (refused as long as somebody uses it, then done), by force. In
 * half of them the server was killed just before. It ends within a bounded time,
 * nothing is left behind, nobody hangs, and the pool opens again with what it had;
 * one that was stopped in order is closed as clean. Served and direct by turns.
 *
 * `--way NAME`, `--io served|direct`: those alone.
 */
import { findMount } from "../../src/mounts/client.js";
import type { Place } from "../support/place.js";
import { Random } from "../support/random.js";
import { trialArguments } from "./arguments.js";
import { KernelLog } from "./failover/kernelLog.js";
import { kmemfs } from "./failover/kmemfs.js";
import { quantile } from "./failover/totals.js";
import { print, runTrial } from "./load/runTrial.js";
import { type StopPools, stopCycle } from "./stops/cycle.js";
import { STOP_WAYS } from "./stops/ways.js";

const { count, seed, more } = trialArguments(100);
const SIZE = "64M";
const WAYS = STOP_WAYS.filter(({ name }) => more.way === undefined || name === more.way);
const IOS = (["served", "direct"] as const).filter((io) => more.io === undefined || io === more.io);
const only = [
  ...(more.way === undefined ? [] : [`--way "${more.way}"`]),
  ...(more.io === undefined ? [] : [`--io ${more.io}`]),
];
const replay = ["node scripts/trial.js stops", `--count ${count} --seed ${seed}`, ...only].join(" ");

print(`trial stops: ${count} times each of ${WAYS.length} ways, seed ${seed}`);
const needs = {
  root: true,
  fuse: true,
  loop: true,
  commands: ["fio", "mkfs.ext4", "losetup"],
  files: ["/dev/kmsg"],
  kernel: "6.9",
};
await runTrial("stops", replay, needs, async (place) => {
  const begunMs = performance.now();
  const random = new Random(seed);
  const log = KernelLog.open();
  const pools: StopPools[] = [];
  for (const io of IOS) {
    const split = io === "direct" ? ["--split"] : [];
    const pool: StopPools = { file: place.path(`${io}-file`), disk: place.path(`${io}-disk`), io, marked: new Set() };
    for (const path of [pool.file, pool.disk]) await kmemfs(["format", path, "--size", SIZE, ...split]);
    pools.push(pool);
  }
  for (const name of ["files", "mounted"]) endsWithUs(place, place.path(name));
  let stops = 0;
  for (const [turn, way] of WAYS.entries()) {
    const timesMs: number[] = [];
    let killed = 0;
    for (let i = 0; i < count; i++) {
      const pool = pools[(seed + turn + i) % pools.length] as StopPools;
      try {
        const { stopMs, wasKilled } = await stopCycle(place, pool, way, random);
        timesMs.push(stopMs);
        if (wasKilled) killed++;
      } catch (error) {
        (error as Error).message = `${way.name}, ${pool.io}, ${i + 1}: ${(error as Error).message}`;
        throw error;
      }
    }
    stops += timesMs.length;
    const [median, worst] = [0.5, 1].map((part) => quantile(timesMs, part).toFixed(0));
    print(
      `${way.name}: ${timesMs.length} times, ${killed} with a dead server, ${median} ms (median), ${worst} ms (worst)`,
    );
  }
  log.requireQuiet([]);
  log.close();
  const seconds = ((performance.now() - begunMs) / 1000).toFixed(0);
  return `${stops} stops, nothing left behind, every pool opened again, ${seconds} s`;
});

/** A disk of `up` is not told by its directory: it is found by its name. */
function endsWithUs(place: Place, mountpoint: string): void {
  place.cleanup.add(mountpoint, async () => {
    if ((await findMount(mountpoint)) !== null) {
      await kmemfs(["unmount", "--force", mountpoint], { allowFail: true });
    }
  });
}
