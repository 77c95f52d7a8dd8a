/**
 * kill -9 of a server under a mounted file system, `--count` times, at any instant,
 * also while the next server starts. On ext4, XFS and btrfs in turn run fio with
 * verification, fstrim, and SQLite with a ledger of its commits: none of them may meet
 * an error, the kernel logs none, the file systems are clean, and each kill was one
 * restart. A third of the kills is in direct mode.
 *
 * `--only ext4|xfs|btrfs`, `--io served|direct`: those sessions alone. `--span MS`:
 * within which a server that serves is killed.
 */
import { Random } from "../support/random.js";
import { trialArguments } from "./arguments.js";
import { FILE_SYSTEM_COMMANDS, FILE_SYSTEMS } from "./failover/fileSystems.js";
import { KernelLog } from "./failover/kernelLog.js";
import { planSessions } from "./failover/plan.js";
import { runSession } from "./failover/session.js";
import { describe, Totals } from "./failover/totals.js";
import { print, runTrial } from "./load/runTrial.js";

const { count, seed, more } = trialArguments(300);
const DEFAULT_SPAN_MS = 700;

const spanMs = Number(more.span ?? DEFAULT_SPAN_MS);
const { only = "", io = "" } = more;
const flags = [
  ["only", only],
  ["io", io],
  ["span", more.span ?? ""],
].flatMap(([name, value]) => (value === "" ? [] : [`--${name} ${value}`]));
const replay = ["node scripts/trial.js failover", `--count ${count} --seed ${seed}`, ...flags].join(" ");

print(`trial failover: ${count} kills of servers under file systems, seed ${seed}`);
const needs = {
  root: true,
  fuse: true,
  loop: true,
  commands: ["fio", "fstrim", "sqlite3", "losetup", ...FILE_SYSTEM_COMMANDS],
  fileSystems: FILE_SYSTEMS,
  files: ["/dev/kmsg"],
  kernel: "6.9",
};
await runTrial("failover", replay, needs, async (place) => {
  const random = new Random(seed);
  const log = KernelLog.open();
  const all = new Totals();
  const each = new Map(FILE_SYSTEMS.map((name) => [name, new Totals()] as const));
  for (const plan of planSessions(count, { only, io, spanMs })) {
    const begunMs = performance.now();
    const name = `${plan.fileSystem} ${plan.io} on ${plan.pool}, ${plan.spare ? "a" : "no"} spare`;
    try {
      const figures = await runSession(place, plan, random, log);
      all.add(figures);
      each.get(plan.fileSystem)?.add(figures);
      print(`  ${name}: ${figures.kills} kills in ${((performance.now() - begunMs) / 1000).toFixed(0)} s`);
    } catch (error) {
      (error as Error).message = `${name}: ${(error as Error).message}`;
      throw error;
    }
  }
  for (const [name, totals] of each) if (totals.kills > 0) print(`${name}: ${describe(totals)}`);
  log.close();
  return `${describe(all)}; no error seen by anybody, ${all.kills + all.replaced} restarts`;
});
