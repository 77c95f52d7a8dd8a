/**
 * Hostile pools: makes small pools, damages them by design and at random, and
 * does with each what people do: check, mount, read, write, rehome, recover, repair, undo.
 * Half of the executions are guided by the coverage of the core's branches, half
 * are random. See docs/decisions/0008-fuzzing.md.
 *
 * `--count` executions, `--seed`; `--forever` goes on with other seeds until
 * something is found; `--input BASE64` executes one;
 * `--bug NAME` runs with that bug of `plantedBugs/table.ts` in the core.
 */
import { changedSource } from "../support/planted.js";
import { trialArguments } from "./arguments.js";
import { plantedBugs } from "./plantedBugs/table.js";
import { type CompiledTree, compileTree } from "./pools/compile.js";
import { highestRssBytes, type Lane, MOST_RSS_BYTES, startLane } from "./pools/lane.js";
import { REACHED } from "./pools/status.js";
import type { WorkerFinding } from "./pools/worker.js";

const DEFAULT_COUNT = 2_000_000;
const SECOND_SEED = 0x9e37_79b9;
const MIB = 1024 * 1024;

const { count, seed, more } = trialArguments(DEFAULT_COUNT);
const bug = plantedBugs.find(({ name }) => name === more.bug);
if (more.bug !== undefined && bug === undefined) throw new Error(`--bug ${more.bug} is not in the table`);
const changed = bug === undefined ? null : changedSource(bug);
process.exitCode = await main();

async function main(): Promise<number> {
  const { input, forever } = more;
  if (input !== undefined) return await replay(Buffer.from(input, "base64"));
  say(`hostile pools: ${count} executions, half guided by coverage, half random, seed ${seed}`);
  for (let round = 0; ; round++) {
    const passed = await runBoth((seed + round) >>> 0);
    if (!passed || forever === undefined) return end(passed, `${count} executions`);
  }
}

/** Two threads: one guided, one random. @returns true when nothing was found */
async function runBoth(roundSeed: number): Promise<boolean> {
  const plain = compileTree({ guided: false, changed });
  const counted = compileTree({ guided: true, changed });
  const half = Math.ceil(count / 2);
  const startMs = Date.now();
  const lanes = [
    startLane(counted, { seed: roundSeed, count: half, guided: true }),
    startLane(plain, { seed: (roundSeed ^ SECOND_SEED) >>> 0, count: count - half || 1, guided: false }),
  ];
  try {
    const findings = await firstFinding(lanes);
    for (const finding of findings) tell(finding);
    figures(lanes, counted, (Date.now() - startMs) / 1000);
    return findings.length === 0;
  } finally {
    await Promise.all(lanes.map((lane) => lane.stop()));
    for (const tree of [plain, counted]) tree.remove();
  }
}

/** Waits until all lanes are over, or one has found something. */
async function firstFinding(lanes: readonly Lane[]): Promise<WorkerFinding[]> {
  const found = lanes.map((lane) => lane.ended.then((finding) => finding ?? new Promise<never>(() => undefined)));
  const all = Promise.all(lanes.map((lane) => lane.ended)).then(() => null);
  const first = await Promise.race([...found, all]);
  return first === null ? [] : [first];
}

function figures(lanes: readonly Lane[], counted: CompiledTree, seconds: number): void {
  const names = ["guided", "random"];
  lanes.forEach(({ status }, i) => {
    const reached = REACHED.map((name) => `${name} ${status.countOf(name)}`).join(", ");
    say(`${names[i]}: ${status.get("executions")} executions: ${reached}`);
    say(`  slowest ${(status.get("slowestUs") / 1000).toFixed(1)} ms of 1000`);
  });
  const guided = (lanes[0] as Lane).status;
  const branches = `${guided.get("takenBranches")} of ${counted.branches} branches taken`;
  say(`guided: ${guided.get("keptInputs")} inputs kept, ${branches}`);
  say(`memory: ${Math.round(highestRssBytes / MIB)} MiB of ${MOST_RSS_BYTES / MIB}; time: ${seconds.toFixed(1)} s`);
}

function tell({ input, message }: WorkerFinding): void {
  const base64 = Buffer.from(input).toString("base64");
  say(`FOUND, with an input of ${input.length} bytes:`, message);
  say(`replay: node scripts/trial.js pools --input ${base64}`);
}

async function replay(input: Buffer): Promise<number> {
  const tree = compileTree({ guided: false, changed });
  const lane = startLane(tree, { seed, count: 1, guided: false, replay: input });
  const finding = await lane.ended;
  await lane.stop();
  tree.remove();
  if (finding !== null) tell(finding);
  else say(`${REACHED.find((name) => lane.status.countOf(name) > 0)}: nothing found`);
  return end(finding === null, "1 execution");
}

function end(passed: boolean, what: string): number {
  say(passed ? `trial pools: passed, ${what}` : `trial pools: FAILED, ${what}, seed ${seed}`);
  return passed ? 0 : 1;
}

function say(...lines: string[]): void {
  process.stdout.write(`${lines.join("\n")}\n`);
}
