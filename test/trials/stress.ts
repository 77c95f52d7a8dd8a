/**
 * The stress of threads: several on one pool of few pages, every write with stamps
 * of its own, and the history of each word of each block checked for an order that
 * explains it (`stress/blockHistory.ts`, `stress/register.ts`). A write that was
 * refused for want of pages may have taken place or not, in each block. What a READ
 * answers is copied while the request is inside its epoch, as the kernel copies.
 *
 * `--count` operations in all, over all kinds of pool; `--threads` 1 to 7; `--kind`
 * one of the kinds; `--forever`. A seed gives
 * the same operations again, not the same order of threads: run it with a larger count.
 */
import { trialArguments } from "./arguments.js";
import { type StressKind, stressKinds } from "./stress/kinds.js";
import { runKind } from "./stress/run.js";
import type { ThreadOutput } from "./stress/thread.js";

const { count, seed, more } = trialArguments(5_000_000);
const threads = Number(more.threads ?? "4");
const script = new URL("./stress/thread.js", import.meta.url);

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function sum(outputs: readonly ThreadOutput[], of: (output: ThreadOutput) => number): string {
  return outputs.reduce((total, output) => total + of(output), 0).toLocaleString("en");
}

async function tryKind(kind: StressKind, operations: number, kindSeed: number): Promise<boolean> {
  const begun = Date.now();
  const { faults, outputs } = await runKind({ kind, threads, seed: kindSeed, operations, script });
  const seconds = ((Date.now() - begun) / 1000).toFixed(1);
  const figures = [
    `${sum(outputs, (each) => each.operations)} operations`,
    `${sum(outputs, (each) => each.writes)} writes`,
    `${sum(outputs, (each) => each.discards)} discards`,
    `${sum(outputs, (each) => each.shortages)} shortages`,
    `${sum(outputs, (each) => each.tornReads)} torn reads`,
  ];
  say(`${kind.name}: ${figures.join(", ")}, ${seconds} s`);
  for (const fault of faults.slice(0, 10)) say(`  ${fault}`);
  if (faults.length === 0) return true;
  say(
    `trial stress: FAILED, again: node scripts/trial.js stress --kind "${kind.name}" --seed ${kindSeed} --count ${count}`,
  );
  process.exitCode = 1;
  return false;
}

async function tryAll(): Promise<void> {
  const kinds = stressKinds.filter((kind) => more.kind === undefined || kind.name === more.kind);
  if (kinds.length === 0)
    throw new Error(`--kind ${more.kind} is none of ${stressKinds.map(({ name }) => name).join("; ")}`);
  say(`stress: ${threads} threads, ${count} operations, ${kinds.length} kinds of pool, seed ${seed}`);
  const begun = Date.now();
  for (let round = 0; round === 0 || more.forever !== undefined; round++) {
    for (const kind of kinds) {
      if (!(await tryKind(kind, Math.ceil(count / kinds.length), (seed + round) >>> 0))) return;
    }
  }
  say(`trial stress: passed, ${count} operations in ${((Date.now() - begun) / 1000).toFixed(0)} s, seed ${seed}`);
}

if (!(threads >= 1 && threads <= 7)) throw new Error(`--threads ${more.threads} is not 1 to 7`);
await tryAll();
