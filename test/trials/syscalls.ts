/**
 * Servers that die at an exact system call (strace injects SIGKILL): one that takes
 * over from a dead one, at each call of its main thread up to where it serves; then the
 * first server of a mount, and that of `kmemfs restart`, at the same calls; one that is
 * about to close its pool; and `kmemfs format`. `--count N`: at most N of each, spread
 * over all. After each the disk works, nobody met an error, all that was acknowledged is
 * there, and each death was one restart.
 *
 * `--first N`: of a start the first N calls alone.
 * `--io served|direct`, `--step NAME` (`resume` is the first): those alone.
 */
import { Random } from "../support/random.js";
import { trialArguments } from "./arguments.js";
import { print, runTrial } from "./load/runTrial.js";
import { LedgerDisk } from "./syscalls/ledgerDisk.js";
import { callsOf, killAtCall } from "./syscalls/resume.js";
import { type Death, Stage } from "./syscalls/stage.js";
import { mount, STEPS, type Step } from "./syscalls/steps.js";

const { count, seed, more } = trialArguments(100_000);
const first = Number(more.first ?? "100000");
const ways = (["served", "direct"] as const).filter((way) => more.io === undefined || way === more.io);

const resume: Step = async (stage, disk, death) =>
  (await killAtCall(stage, disk, death)) ? "before it served" : "when it served";

/** At most `count` of them, one at random of each of as many equal parts. */
function sample<T>(random: Random, all: readonly T[]): T[] {
  const parts = Math.min(count, all.length);
  return Array.from({ length: parts }, (_one, i) => {
    const from = Math.floor((i * all.length) / parts);
    const to = Math.floor(((i + 1) * all.length) / parts);
    return all[from + random.below(to - from)] as T;
  });
}

async function die(name: string, work: Promise<string>): Promise<string> {
  try {
    return await work;
  } catch (error) {
    (error as Error).message = `${name}: ${(error as Error).message}`;
    throw error;
  }
}

print(`trial syscalls: at most ${count} deaths at a system call in each step, seed ${seed}`);
const replay = `node scripts/trial.js syscalls --count ${count} --first ${first} --seed ${seed}`;
const needs = { root: true, fuse: true, commands: ["dd", "strace"], kernel: "6.9" };
await runTrial("syscalls", replay, needs, async (place) => {
  const begunMs = performance.now();
  const random = new Random(seed);
  const stage = new Stage(place);
  const steps = [{ name: "resume", deaths: "of a start" as const, run: resume }, ...STEPS].filter(
    ({ name }) => more.step === undefined || more.step === name,
  );
  let deaths = 0;
  let operations = 0;
  for (const way of ways) {
    const disk = new LedgerDisk(place, way, random.below(2 ** 31));
    await disk.format();
    await mount(stage, disk);
    const calls = await callsOf(stage, disk, place.path("trace"));
    print(`${way}: a server makes ${calls.length} calls before it serves`);
    for (const step of steps) {
      const all: readonly Death[] = step.deaths === "of a start" ? calls.slice(0, first) : step.deaths;
      const found = new Map<string, number>();
      for (const death of sample(random, all)) {
        const name = `${step.name}, ${way}, at ${death.call} ${death.number}`;
        const state = await die(name, step.run(stage, disk, death));
        found.set(state, (found.get(state) ?? 0) + 1);
        deaths++;
      }
      print(`${step.name}, ${way}: ${[...found].map(([state, times]) => `${state} ${times}`).join(", ")}`);
    }
    operations += disk.operations;
    disk.quit();
  }
  const seconds = ((performance.now() - begunMs) / 1000).toFixed(0);
  return `${deaths} deaths at a system call, ${operations} operations acknowledged, none lost, ${seconds} s`;
});
