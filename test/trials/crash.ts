/**
 * The crash simulator. Runs random operations on small pools whose memory knows
 * what is on the media, builds the states that a crash could leave at each step,
 * opens them and compares them with what docs/durability.md promises.
 * `--count` states, `--seed`, `--workers`, `--forever`; `--case NAME --seed N` does one run again.
 */
import { availableParallelism } from "node:os";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { Random } from "../support/random.js";
import { trialArguments } from "./arguments.js";
import { scenarios } from "./crash/scenarios.js";

const DEFAULT_STATES = 1_000_000;
const REPORT_MS = 200;

interface WorkerTask {
  readonly seed: number;
  readonly first: number;
  readonly stride: number;
  readonly names: readonly string[];
}

interface Progress {
  readonly counts: Readonly<Record<string, number>>;
  readonly failure: { readonly name: string; readonly seed: number; readonly message: string } | null;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** @returns what went wrong, or null */
function runOnce(name: string, seed: number, note: (what: string) => void, count: (states: number) => void) {
  const run = scenarios[name];
  if (run === undefined) throw new Error(`no scenario ${name}`);
  try {
    run(new Random(seed), note, count);
    return null;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function work({ seed, first, stride, names }: WorkerTask): void {
  const counts: Record<string, number> = {};
  let reported = performance.now();
  for (let number = first; ; number += stride) {
    const name = names[number % names.length] as string;
    const runSeed = (Math.imul(seed, 0x9e3779b1) + Math.imul(number, 0x85ebca6b)) >>> 0;
    let states = 0;
    let last = "";
    const error = runOnce(
      name,
      runSeed,
      (what) => {
        last = what;
      },
      (judged) => {
        states = judged;
      },
    );
    counts[name] = (counts[name] ?? 0) + states;
    const failure = error === null ? null : { name, seed: runSeed, message: `${last}: ${error.message}` };
    if (failure === null && performance.now() - reported < REPORT_MS) continue;
    reported = performance.now();
    parentPort?.postMessage({ counts, failure } satisfies Progress);
    if (failure !== null) return;
  }
}

function replay(name: string, seed: number): void {
  let states = 0;
  const error = runOnce(name, seed, print, (judged) => {
    states = judged;
  });
  if (error === null) {
    print(`trial crash: passed, ${states} states of one run`);
    return;
  }
  print(error.stack ?? error.message);
  print(`trial crash: FAILED after ${states} states: ${error.message}`);
  process.exitCode = 1;
}

function total(reports: readonly Progress[], name?: string): number {
  let sum = 0;
  for (const { counts } of reports) {
    for (const [key, states] of Object.entries(counts)) if (name === undefined || key === name) sum += states;
  }
  return sum;
}

/** Runs on all workers until so many states were judged or one fails. */
async function runAll(seed: number, count: number, workers: number, names: readonly string[]): Promise<boolean> {
  const reports: Progress[] = Array.from({ length: workers }, () => ({ counts: {}, failure: null }));
  const began = performance.now();
  const threads: Worker[] = [];
  const failure = await new Promise<Progress["failure"]>((resolve, reject) => {
    for (let first = 0; first < workers; first++) {
      const task: WorkerTask = { seed, first, stride: workers, names };
      const worker = new Worker(new URL(import.meta.url), { workerData: task });
      threads.push(worker);
      worker.on("error", reject);
      worker.on("message", (progress: Progress) => {
        reports[first] = progress;
        if (progress.failure !== null) resolve(progress.failure);
        else if (total(reports) >= count) resolve(null);
      });
    }
  });
  await Promise.all(threads.map((worker) => worker.terminate()));
  const seconds = (performance.now() - began) / 1000;
  for (const name of names) print(`${String(total(reports, name)).padStart(9)} ${name}`);
  const states = total(reports);
  const figures = `${states} states in ${seconds.toFixed(1)} s, ${Math.round(states / seconds)} a second, seed ${seed}`;
  if (failure === null) {
    print(`trial crash: passed, ${figures}`);
    return true;
  }
  print(`${failure.name}: ${failure.message}`);
  print(`again: npm run trial:crash -- --case "${failure.name}" --seed ${failure.seed}`);
  print(`trial crash: FAILED, ${figures}`);
  return false;
}

async function main(): Promise<void> {
  const { count, seed, more } = trialArguments(DEFAULT_STATES);
  if (more.case !== undefined) {
    replay(more.case, seed);
    return;
  }
  const workers = more.workers === undefined ? availableParallelism() : Number(more.workers);
  const names = Object.keys(scenarios).filter((name) => name.includes(more.only ?? ""));
  print(`crash simulator: ${more.forever === undefined ? count : "endless"} states, seed ${seed}, ${workers} workers`);
  for (let round = 0; ; round++) {
    if (!(await runAll((seed + round) >>> 0, count, workers, names))) {
      process.exitCode = 1;
      return;
    }
    if (more.forever === undefined) return;
  }
}

if (isMainThread) await main();
else work(workerData as WorkerTask);
