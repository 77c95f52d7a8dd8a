/**
 * How long readers wait when a server is killed: a pool with a full index (16 GiB of
 * blocks, all mapped) is served, a process reads 4 KiB every 10 ms, and the server is
 * killed `--count` times. Prints the longest read of each kill: median, p90, worst.
 *
 * `--size`: of the pool, GiB. `--no-spare`: no second server stands by. `--io direct`: in
 * direct mode, where reads go on.
 * `--assert`: the median is at most 300 ms and the worst at most 1000 ms, or the
 * trial has failed; a machine that does other things as well may miss that.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { fillIndex, metadataFile } from "../../bench/craftedPool.js";
import { start } from "../support/processes.js";
import { Random } from "../support/random.js";
import { trialArguments } from "./arguments.js";
import { FailoverDisk } from "./failover/disk.js";
import { kmemfs, requireClean } from "./failover/kmemfs.js";
import { parseReads, stallsOf } from "./failover/stalls.js";
import { quantile } from "./failover/totals.js";
import { print, runTrial } from "./load/runTrial.js";
import { pause } from "./load/within.js";

const { count, seed, more } = trialArguments(100);
const MEDIAN_MS = 300;
const WORST_MS = 1000;
/** A start that takes longer hangs. */
const START_MS = 30_000;
/** From a server that serves to its end: long enough for the reader to see it at work. */
const LEAST_MS = 200;
const SPAN_MS = 1_800;
const readerMain = fileURLToPath(new URL("./failover/readerMain.js", import.meta.url));

const sizeGib = Number(more.size ?? "16");
const io = more.io === "direct" ? "direct" : "served";
const spare = more["no-spare"] === undefined;
const replay = `node scripts/trial.js pauses --count ${count} --seed ${seed} --size ${sizeGib} --io ${io}${spare ? "" : " --no-spare"}`;

print(
  `trial pauses: ${count} kills of a server of ${sizeGib} GiB, all mapped, ${io}, ${spare ? "a" : "no"} spare, seed ${seed}`,
);
const needs = { root: true, fuse: true, kernel: "6.9" };
await runTrial("pauses", replay, needs, async (place) => {
  const random = new Random(seed);
  const pool = place.path("pool");
  await kmemfs(["format", pool, "--size", `${sizeGib}G`, ...(io === "direct" ? ["--split"] : [])]);
  fillIndex(metadataFile(pool, io));
  const disk = await FailoverDisk.mount(place, { pool, name: "disk", io, spare });
  disk.rescueIn(place);
  const { usedBytes, sizeBytes } = await disk.status();
  if (io === "served" && usedBytes !== sizeBytes) throw new Error(`${usedBytes} of ${sizeBytes} bytes are mapped`);
  const log = place.path("reads");
  const reader = start(process.execPath, [readerMain, disk.file, String(sizeBytes), String(seed), log], { cwd: "/" });
  place.cleanup.add("the reader", () => reader.stop());
  const killsMs: number[] = [];
  for (let i = 0; i < count; i++) {
    const { serverPid } = await disk.untilServing(START_MS);
    await pause(LEAST_MS + random.next() * SPAN_MS);
    killsMs.push(performance.timeOrigin + performance.now());
    process.kill(serverPid, "SIGKILL");
    await pause(LEAST_MS);
  }
  await disk.untilServing(START_MS);
  await pause(LEAST_MS);
  const status = await reader.stop();
  if (status !== 0) throw new Error(`the reader ends with ${status}: ${reader.stderr().trim()}`);
  const { restarts } = await disk.status();
  if (restarts !== count) throw new Error(`${restarts} restarts after ${count} kills`);
  await kmemfs(["unmount", disk.directory]);
  await requireClean(pool);
  const reads = parseReads(readFileSync(log, "utf8"));
  const stalls = stallsOf(reads, killsMs);
  const [median = 0, p90 = 0, worst = 0] = [0.5, 0.9, 1].map((part) => quantile(stalls, part));
  const figures =
    `${count} kills, ${reads.length} reads, none failed; longest read of each kill: ` +
    `${median.toFixed(0)} ms (median), ${p90.toFixed(0)} ms (p90), ${worst.toFixed(0)} ms (worst)`;
  if (more.assert !== undefined && (median > MEDIAN_MS || worst > WORST_MS)) throw new Error(figures);
  return figures;
});
