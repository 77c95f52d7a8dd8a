/**
 * Proves the trials: plants one bug after the other in a copy of the compiled tree and
 * runs there the trial that must find it. `--only WORDS`: those whose law, name or
 * trial has these words; `--verbose`: what the trials said.
 */
import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { plantBug } from "../support/planted.js";
import { trialArguments } from "./arguments.js";
import { type NamedBug, plantedBugs } from "./plantedBugs/table.js";

/** A bug that makes somebody wait for ever shows when the trial's own patience ends. */
const TIMEOUT_MS = 400_000;
/** Without the kernel: two of them beside each other, and beside one of the others, which mostly waits. */
const CORE_TRIALS = new Set(["crash", "stress", "pools", "requests"]);
const LANES = 2;
const here = dirname(fileURLToPath(import.meta.url));
const { seed, more } = trialArguments(1);

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function runTrial(directory: string, { trial, args }: NamedBug, further: readonly string[]): Promise<string> {
  const command = [join(directory, `${trial}.js`), `--seed=${seed}`, ...args, ...further];
  return new Promise((resolve) => {
    const child = spawn(process.execPath, command, {
      cwd: "/",
      stdio: ["ignore", "pipe", "pipe"],
      timeout: TIMEOUT_MS,
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (bytes: Buffer) => {
        output += bytes.toString();
      });
    }
    child.on("close", () => resolve(output));
  });
}

async function outputOf(bug: NamedBug): Promise<string> {
  // It compiles what it runs from the sources by itself.
  if (bug.trial === "pools") return runTrial(here, bug, [`--bug=${bug.name}`]);
  const tree = await plantBug(bug);
  try {
    return await runTrial(join(tree, "test/trials"), bug, []);
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

/** @returns whether it was found */
async function tryBug(bug: NamedBug): Promise<boolean> {
  const begunMs = performance.now();
  const output = await outputOf(bug);
  // A trial that only misses a tool has found nothing.
  const isFound = new RegExp(`^trial ${bug.trial}: FAILED(?!: needs )`, "m").test(output);
  const seconds = ((performance.now() - begunMs) / 1000).toFixed(1).padStart(6);
  print(`${seconds} s  ${isFound ? "found " : "MISSED"}  law ${bug.law}: ${bug.name} | ${bug.trial}`);
  if (!isFound || more.verbose !== undefined) print(output);
  return isFound;
}

async function tryAll(bugs: readonly NamedBug[], lanes: number): Promise<number> {
  let next = 0;
  let found = 0;
  const lane = async (): Promise<void> => {
    while (next < bugs.length) if (await tryBug(bugs[next++] as NamedBug)) found++;
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return found;
}

const { only = "" } = more;
const bugs = plantedBugs.filter(({ law, name, trial }) => [law, name, trial].some((words) => words.includes(only)));
print(`trial plantedBugs: ${bugs.length} bugs, seed ${seed}`);
const begunMs = performance.now();
const ofCore = (bug: NamedBug): boolean => CORE_TRIALS.has(bug.trial);
const [foundInCore, foundInKernel] = await Promise.all([
  tryAll(bugs.filter(ofCore), LANES),
  tryAll(
    bugs.filter((bug) => !ofCore(bug)),
    1,
  ),
]);
const found = foundInCore + foundInKernel;
const isPassed = bugs.length > 0 && found === bugs.length;
const figures = `${found} of ${bugs.length} found in ${((performance.now() - begunMs) / 1000).toFixed(0)} s, seed ${seed}`;
print(`trial plantedBugs: ${isPassed ? "passed" : "FAILED"}, ${figures}`);
process.exit(isPassed ? 0 : 1);
