/**
 * Hostile requests: through the real serving loop to pools of several kinds, each
 * answer and what it leaves held against a model (`requests/judge.ts`). First every
 * beginning and every boundary value of each opcode, then `--count` random requests
 * in sequences of 400.
 *
 * `--seed` gives the same requests again, `--unit N` only one sequence of them;
 * `--threads` (2); `--forever`.
 */
import { trialArguments } from "./arguments.js";
import { runUnits, type UnitsResult } from "./requests/run.js";
import { subjectKinds } from "./requests/subjects.js";
import { fixedUnits, UNIT_REQUESTS } from "./requests/units.js";

const { count, seed, more } = trialArguments(2_000_000);
const threads = Number(more.threads ?? "2");
const script = new URL("./requests/thread.js", import.meta.url);

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function passed({ failed }: UnitsResult, seedOfUnit: number): boolean {
  if (failed === null) return true;
  say(`  ${failed.fault}`);
  say(`trial requests: FAILED, again: node scripts/trial.js requests --seed ${seedOfUnit} --unit ${failed.unit}`);
  process.exitCode = 1;
  return false;
}

async function tryUnits(from: number, end: number, unitSeed: number, what: string): Promise<boolean> {
  const begun = Date.now();
  const result = await runUnits({ seed: unitSeed, from, end, threads, script });
  say(`${what}: ${result.requests.toLocaleString("en")} requests, ${((Date.now() - begun) / 1000).toFixed(1)} s`);
  return passed(result, unitSeed);
}

async function tryAll(): Promise<void> {
  say(`requests: ${subjectKinds.map((kind) => kind.name).join("; ")}; ${count} random requests, seed ${seed}`);
  const begun = Date.now();
  if (!(await tryUnits(0, fixedUnits, seed, "every beginning and boundary value"))) return;
  for (let round = 0; round === 0 || more.forever !== undefined; round++) {
    const end = fixedUnits + Math.ceil(count / UNIT_REQUESTS);
    if (!(await tryUnits(fixedUnits, end, (seed + round) >>> 0, "random"))) return;
  }
  say(`trial requests: passed, ${count} random requests, ${((Date.now() - begun) / 1000).toFixed(0)} s, seed ${seed}`);
}

async function tryOne(unit: number): Promise<void> {
  if (await tryUnits(unit, unit + 1, seed, `unit ${unit}`)) say(`trial requests: passed, unit ${unit}, seed ${seed}`);
}

if (!(threads >= 1)) throw new Error(`--threads ${more.threads} is no number`);
if (more.unit !== undefined) await tryOne(Number(more.unit));
else await tryAll();
