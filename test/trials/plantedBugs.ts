/**
 * Proves the crash simulator: plants one bug after the other in a copy of the core
 * and runs the simulator on it, `--count` states at most. All must be found.
 * `--only WORDS`: those whose name has these words.
 */
import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { plantBug } from "../support/planted.js";
import { trialArguments } from "./arguments.js";
import { type NamedBug, plantedBugs } from "./plantedBugs/table.js";

const DEFAULT_STATES = 150_000;
const TIMEOUT_MS = 120_000;

interface Verdict {
  readonly scenario: string | null;
  readonly states: number;
  readonly seconds: number;
  readonly output: string;
}

function simulate(directory: string, count: number, seed: number): Promise<string> {
  const script = join(directory, "test/trials/crash.js");
  const args = [script, `--count=${count}`, `--seed=${seed}`, "--workers=1"];
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"], timeout: TIMEOUT_MS });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (bytes: Buffer) => {
        output += bytes.toString();
      });
    }
    child.on("close", () => resolve(output));
  });
}

async function tryBug(bug: NamedBug, count: number, seed: number): Promise<Verdict> {
  const directory = plantBug(bug);
  const began = performance.now();
  try {
    const output = await simulate(directory, count, seed);
    const scenario = /--case "([^"]*)"/.exec(output)?.[1] ?? null;
    const states = Number(/FAILED, (\d+) states/.exec(output)?.[1] ?? 0);
    return { scenario, states, seconds: (performance.now() - began) / 1000, output };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function main(): Promise<void> {
  const { count, seed, more } = trialArguments(DEFAULT_STATES);
  const bugs = plantedBugs.filter(({ name }) => name.includes(more.only ?? ""));
  print(`planted bugs: ${bugs.length}, at most ${count} states each, seed ${seed}`);
  print("   states seconds  bug | found by");
  const began = performance.now();
  let missed = 0;
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < bugs.length) {
      const bug = bugs[next++] as NamedBug;
      const { scenario, states, seconds, output } = await tryBug(bug, count, seed);
      if (scenario === null) missed++;
      const figures = `${String(states).padStart(9)} ${seconds.toFixed(1).padStart(7)}`;
      print(`${figures}  ${bug.name} | ${scenario ?? "NOT FOUND"}`);
      if (scenario === null || more.verbose !== undefined) print(output);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  const figures = `${bugs.length - missed} of ${bugs.length} found in ${((performance.now() - began) / 1000).toFixed(0)} s`;
  print(`trial plantedBugs: ${missed === 0 ? "passed" : "FAILED"}, ${figures}, seed ${seed}`);
  if (missed > 0) process.exitCode = 1;
}

await main();
