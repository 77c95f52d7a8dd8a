/**
 * `--count` power cuts: pools on ext4 on a disk whose power goes at random moments
 * of format, mount, load, unmount, kill and rehome. What was flushed before a cut
 * is there afterwards; every other sector is one of its own later versions.
 */
import { Random } from "../support/random.js";
import { trialArguments } from "./arguments.js";
import { Load } from "./load/load.js";
import type { Shares } from "./load/operations.js";
import { print, runTrial } from "./load/runTrial.js";
import { inspect } from "./powerCuts/inspect.js";
import { KINDS } from "./powerCuts/kinds.js";
import { Media } from "./powerCuts/media.js";
import { acknowledgedOf, PoolLife } from "./powerCuts/session.js";

const { count, seed, more } = trialArguments(50);
const WRITERS = 3;
const SHARES: Shares = { flush: 0.05, discard: 0.2, zero: 0.1 };
const only = more.kind === undefined ? "" : ` --kind "${more.kind}"`;
const replay = `node scripts/trial.js powerCuts --count ${count} --seed ${seed}${only}`;
const kinds = more.kind === undefined ? KINDS : KINDS.filter((kind) => kind.name === more.kind);

print(`trial powerCuts: ${count} power cuts under load, seed ${seed}`);
const needs = {
  root: true,
  fuse: true,
  loop: true,
  commands: ["dd", "mkfs.ext4", "mkfs.xfs", "losetup"],
  fileSystems: ["xfs", "ext4"],
  kernel: "6.9",
};
await runTrial("powerCuts", replay, needs, async (place) => {
  const begunMs = performance.now();
  const random = new Random(seed);
  const media = await Media.make(place);
  for (const name of ["disk", "opened"]) place.endsWithUs(place.makeDirectory(name));
  const load = new Load(place, "ledger", WRITERS, random.below(2 ** 31), SHARES);
  const { ledger } = load;
  const totals = { cuts: 0, operations: 0, flushes: 0 };
  const found = new Map<string, number>();
  for (let number = 0; totals.cuts < count; number++) {
    const kind = kinds[number % kinds.length] as (typeof KINDS)[number];
    const session = { place, media, random, kind, ledger };
    const disk = await media.newDisk("image");
    const life = new PoolLife(session, disk, load);
    await life.live();
    await media.remove(disk);
    media.forget(disk.image);
    for (const cut of life.cuts) {
      const state = await inspect(session, cut);
      found.set(state, (found.get(state) ?? 0) + 1);
      totals.cuts++;
    }
    const { flushes, operations } = acknowledgedOf(ledger);
    totals.flushes += flushes;
    totals.operations += operations;
    ledger.clear();
    const seconds = ((performance.now() - begunMs) / 1000).toFixed(0);
    print(
      `${kind.name}: ${life.cuts.length} cuts, ${operations} operations, ${flushes} flushes; ${totals.cuts} cuts in ${seconds} s`,
    );
  }
  load.quit();
  const states = [...found].map(([state, cuts]) => `${state} ${cuts}`).join(", ");
  const seconds = ((performance.now() - begunMs) / 1000).toFixed(0);
  return (
    `${totals.cuts} cuts (found ${states}), ${totals.operations} operations and ${totals.flushes} flushes ` +
    `acknowledged, nothing flushed lost, ${seconds} s`
  );
});
