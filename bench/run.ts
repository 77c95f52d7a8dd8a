/** `npm run bench`: measures kmemfs and its peers side by side, in one run. Needs root. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { comparisonLines } from "./compare.js";
import { describeMachine } from "./machine.js";
import { measureStage } from "./measure.js";
import { HELP, isRecord, type Options, parseOptions, QUICK_FORM } from "./options.js";
import { ensurePackages } from "./packages.js";
import { markdownPage, terminalLines } from "./page.js";
import { picture } from "./picture.js";
import { makePlace } from "./place.js";
import { judge, lastRecord } from "./regression.js";
import { type Form, type Results, readResults, type StageResult } from "./results.js";
import type { Stage } from "./rows/row.js";
import { quickRows, selectRows, stages } from "./stages.js";
import { interruptible, withUndo } from "./undo.js";

/** The most disks that a stage has in memory at a time, and what else a run takes: pools, trees, caches, databases. */
const DISKS = Math.max(...stages.map((stage) => stage.sides.length));
const SPARE_BYTES = 3 * 2 ** 30;

function checkMachine(options: Options): void {
  if (process.getuid?.() !== 0) throw new Error("needs root, for mounts and loop devices; try: sudo npm run bench");
  const line = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "utf8"));
  const neededBytes = DISKS * options.sizeBytes + SPARE_BYTES;
  if (Number(line?.[1]) * 1024 < neededBytes) {
    throw new Error(`needs ${Math.ceil(neededBytes / 2 ** 20)} MiB of available memory; try: a smaller --size`);
  }
}

function measureAll(chosen: readonly Stage[], form: Form, signal: AbortSignal): Promise<StageResult[]> {
  return withUndo(async (undo) => {
    const { rounds, runtimeMs, sizeBytes } = form;
    const place = await makePlace(DISKS * sizeBytes + SPARE_BYTES, undo);
    const results: StageResult[] = [];
    for (const stage of chosen) {
      results.push(await measureStage(stage, { place, runtimeMs, sizeBytes, signal }, rounds));
    }
    if (results.every((stage) => stage.rows.length === 0)) throw new Error("kmemfs cannot be started in any stage");
    return results;
  });
}

/** What later short runs are held against. */
async function measureQuick(signal: AbortSignal): Promise<NonNullable<Results["quick"]>> {
  console.log("The rows of a short run, in its form:");
  return { ...QUICK_FORM, stages: await measureAll(quickRows(stages), QUICK_FORM, signal) };
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
    ...(isRecord(options) && { quick: await measureQuick(signal) }),
  };
}

/** Writes what people read of a run. @param file the recorded run, as the page names it */
function writePage(results: Results, file: string, directory: string): void {
  writeFileSync(join(directory, "RESULTS.md"), markdownPage(results, file));
  writeFileSync(join(directory, "results.svg"), picture(results));
}

function record(results: Results): void {
  const file = `results/${results.date.slice(0, 16).replace(":", "")}.json`;
  mkdirSync("bench/results", { recursive: true });
  writeFileSync(`bench/${file}`, `${JSON.stringify(results, null, 1)}\n`);
  writePage(results, file, "bench");
  console.log(`Recorded in bench/${file}, bench/RESULTS.md and bench/results.svg`);
}

/** Says what a short run means beside the last record. @returns false when a ratio has fallen */
async function compareWithRecord(results: Results): Promise<boolean> {
  const file = lastRecord("bench/results");
  if (file === undefined) {
    console.log("Not compared: bench/results has no record.");
    return true;
  }
  let record: Results;
  try {
    record = readResults(file);
  } catch (error) {
    console.log(`Not compared: ${(error as Error).message}`);
    return true;
  }
  const { lines, isWorse } = await judge(file, record, results, (keys) => {
    console.log(`Measured again, as a ratio has fallen: ${keys.join(" ")}`);
    return interruptible((signal) => measureAll(selectRows(quickRows(stages), keys), results, signal));
  });
  console.log(lines.join("\n"));
  return !isWorse;
}

/** What can be done with recorded runs, without root; by the first word of the command line. */
const ON_FILES: Readonly<Record<string, (...files: string[]) => void>> = {
  compare: (before, after, ...more) => {
    if (after === undefined || more.length > 0) {
      throw new Error("compare takes two files; try: npm run bench -- compare A.json B.json");
    }
    console.log(comparisonLines(readResults(before!), readResults(after)).join("\n"));
  },
  page: (file, directory, ...more) => {
    if (directory === undefined || more.length > 0) {
      throw new Error("page takes a run and a directory; try: npm run bench -- page bench/results/RUN.json bench");
    }
    writePage(readResults(file!), relative(directory, file!), directory);
  },
};

async function main(args: readonly string[]): Promise<void> {
  const [word = "", ...files] = args;
  if (Object.hasOwn(ON_FILES, word)) return ON_FILES[word]?.(...files);
  const options = parseOptions(args);
  if (options.isHelp) return console.log(HELP);
  checkMachine(options);
  const results = await interruptible((signal) => bench(options, args, signal));
  console.log(terminalLines(results).join("\n"));
  if (options.output !== undefined) writeFileSync(options.output, `${JSON.stringify(results, null, 1)}\n`);
  if (isRecord(options)) record(results);
  if (options.isQuick && !(await compareWithRecord(results))) process.exitCode = 1;
}

main(process.argv.slice(2)).catch((error: Error) => {
  console.error(`bench: ${error.message}`);
  // A command that could not be killed must not keep this process.
  process.exit(1);
});
