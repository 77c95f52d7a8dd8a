/** `npm run bench`: measures kmemfs and its peers side by side, in one run. Needs root. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { describeMachine } from "./machine.js";
import { measureStage } from "./measure.js";
import { HELP, isRecord, type Options, parseOptions } from "./options.js";
import { ensurePackages } from "./packages.js";
import { markdownPage, terminalLines } from "./page.js";
import { picture } from "./picture.js";
import { makePlace } from "./place.js";
import type { Results, StageResult } from "./results.js";
import type { Stage } from "./rows/row.js";
import { quickRows, selectRows, stages } from "./stages.js";
import { interruptible, withUndo } from "./undo.js";

/** The most disks that a stage has in memory at a time, and what else a run takes: pools, a source tree. */
const DISKS = Math.max(...stages.map((stage) => stage.sides.length));
const SPARE_BYTES = 2 ** 30;

function checkMachine(options: Options): void {
  if (process.getuid?.() !== 0) throw new Error("needs root, for mounts and loop devices; try: sudo npm run bench");
  const line = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "utf8"));
  const neededBytes = DISKS * options.sizeBytes + SPARE_BYTES;
  if (Number(line?.[1]) * 1024 < neededBytes) {
    throw new Error(`needs ${Math.ceil(neededBytes / 2 ** 20)} MiB of available memory; try: a smaller --size`);
  }
}

function measureAll(chosen: readonly Stage[], options: Options, signal: AbortSignal): Promise<StageResult[]> {
  return withUndo(async (undo) => {
    const { rounds, runtimeMs, sizeBytes } = options;
    const place = await makePlace(DISKS * sizeBytes + SPARE_BYTES, undo);
    const results: StageResult[] = [];
    for (const stage of chosen) {
      results.push(await measureStage(stage, { place, runtimeMs, sizeBytes, signal }, rounds));
    }
    if (results.every((stage) => stage.rows.length === 0)) throw new Error("kmemfs cannot be started in any stage");
    return results;
  });
}

async function bench(options: Options, args: readonly string[], signal: AbortSignal): Promise<Results> {
  const isShort = options.isQuick && options.rows.length === 0;
  const chosen = selectRows(isShort ? quickRows(stages) : stages, options.rows);
  await ensurePackages(chosen, signal);
  const { rounds, runtimeMs, sizeBytes } = options;
  return {
    version: 2,
    date: new Date().toISOString(),
    command: ["npm run bench", ...(args.length > 0 ? ["--", ...args] : [])].join(" "),
    rounds,
    runtimeMs,
    sizeBytes,
    machine: await describeMachine(),
    stages: await measureAll(chosen, options, signal),
  };
}

function record(results: Results): void {
  const file = `results/${results.date.slice(0, 16).replace(":", "")}.json`;
  mkdirSync("bench/results", { recursive: true });
  writeFileSync(`bench/${file}`, `${JSON.stringify(results, null, 1)}\n`);
  writeFileSync("bench/RESULTS.md", markdownPage(results, file));
  writeFileSync("bench/results.svg", picture(results));
  console.log(`Recorded in bench/${file}, bench/RESULTS.md and bench/results.svg`);
}

async function main(args: readonly string[]): Promise<void> {
  const options = parseOptions(args);
  if (options.isHelp) return console.log(HELP);
  checkMachine(options);
  const results = await interruptible((signal) => bench(options, args, signal));
  console.log(terminalLines(results).join("\n"));
  if (options.output !== undefined) writeFileSync(options.output, `${JSON.stringify(results, null, 1)}\n`);
  if (isRecord(options)) record(results);
}

main(process.argv.slice(2)).catch((error: Error) => {
  console.error(`bench: ${error.message}`);
  // A command that could not be killed must not keep this process.
  process.exit(1);
});
