/**
 * kill -9 of a server under load, `--count` times. The pool is on tmpfs; what was
 * acknowledged before the server died must be there when it is opened again, and
 * what was in flight is there or not. Two pools in turn: one mounts while the
 * other is written.
 */
import { Random } from "../support/random.js";
import { trialArguments } from "./arguments.js";
import { KillLane, type KillTotals } from "./kills/lane.js";
import { print, runTrial } from "./load/runTrial.js";

const { count, seed } = trialArguments(1_000);
const LANES = 2;
const PROGRESS_KILLS = 100;

print(`trial kills: ${count} kills of a server under load, seed ${seed}`);
const needs = { root: true, fuse: true, commands: ["dd"] };
await runTrial("kills", `node scripts/trial.js kills --count ${count} --seed ${seed}`, needs, async (place) => {
  const totals: KillTotals = { kills: 0, acknowledged: 0, inFlight: 0, tornSectors: 0, checks: 0, byKind: new Map() };
  const begunMs = performance.now();
  const seconds = (): string => ((performance.now() - begunMs) / 1000).toFixed(0);
  let left = count;
  const work = async (lane: KillLane): Promise<void> => {
    for (; left > 0; await lane.cycle()) {
      left--;
      if (left % PROGRESS_KILLS === 0)
        print(`${count - left} kills begun, ${totals.acknowledged} operations, ${seconds()} s`);
    }
    await lane.end();
  };
  const random = new Random(seed);
  const lanes = Array.from(
    { length: LANES },
    (_one, i) => new KillLane(place, i, random.below(2 ** 31), totals, count),
  );
  await Promise.all(lanes.map(work));
  const kinds = [...totals.byKind].map(([kind, kills]) => `${kind} ${kills}`).join(", ");
  return (
    `${totals.kills} kills (${kinds}), ${totals.acknowledged} operations acknowledged, none lost, ` +
    `${totals.inFlight} in flight with ${totals.tornSectors} torn sectors, ${totals.checks} checks, ${seconds()} s`
  );
});
