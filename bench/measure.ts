/** A stage from the start of its sides to their end. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { formatBytes } from "../src/cli/sizes.js";
import { Cleanup } from "../test/support/cleanup.js";
import { busyShare } from "./busy.js";
import { reasonMissing } from "./packages.js";
import { processTree } from "./processTree.js";
import type { RowResult, StageResult } from "./results.js";
import { inTurn } from "./rounds.js";
import { keyOf, type Row, type Sample, type Stage } from "./rows/row.js";
import type { Bench, Side, Started } from "./sides/side.js";
import { spreadOf } from "./statistics.js";
import { formatFigure } from "./table.js";
import { undoOnFailure, withUndo } from "./undo.js";

const BUSY_SAMPLE_MS = 200;

type Missing = StageResult["missing"][number];

/** What a command said; its command line, which stands first, is of no use to a reader of the results. */
function reasonOf(error: Error): string {
  const [first = "", ...said] = error.message.split("\n").filter(Boolean);
  return said[0] ?? first;
}

/** Starts a side and brings it into the stage's state; one that cannot is told as missing. */
async function startSide(stage: Stage, side: Side, bench: Bench): Promise<Started | Missing> {
  const reason = reasonMissing(side);
  try {
    if (reason !== undefined) throw new Error(reason);
    const started = await side.start(bench);
    const undo = new Cleanup();
    undo.add(side.title, started.cleanup);
    return await undoOnFailure(undo, async () => {
      await stage.prepare?.(started, bench);
      checkUnpinned(started);
      return started;
    });
  } catch (error) {
    bench.signal.throwIfAborted();
    const told = reasonOf(error as Error);
    console.log(`${side.title} is left out: ${told}`);
    return { name: side.name, reason: told };
  }
}

/** A side that has ended may leave a plain file behind, and fast figures. */
function checkAlive(side: Side, { pids }: Started): void {
  if (pids.some((pid) => !existsSync(`/proc/${pid}`))) throw new Error(`${side.title}: a process of it has ended`);
}

const cpusOf = (thread: string): string => /^Cpus_allowed:.*$/m.exec(readFileSync(`${thread}/status`, "utf8"))![0];

/** All sides have the same CPUs as fio has, or some would be measured at an advantage. */
function checkUnpinned({ pids }: Started): void {
  for (const pid of pids.flatMap(processTree)) {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      if (cpusOf(`/proc/${pid}/task/${thread}`) !== cpusOf("/proc/self")) {
        throw new Error(`a thread of process ${pid} is bound to other CPUs than the benchmark`);
      }
    }
  }
}

function has(side: Side, row: Row): boolean {
  if (row.isOursAlone && side.isPeer) return false;
  return side.onlyRows?.includes(row.name) ?? true;
}

/** Makes what a row needs. @returns why it cannot be measured, or nothing */
async function reasonWithout(row: Row, bench: Bench): Promise<string | undefined> {
  if ((row.leastBytes ?? 0) > bench.sizeBytes) return `needs disks of ${formatBytes(row.leastBytes!)}`;
  try {
    await row.setUp?.(bench);
    return undefined;
  } catch (error) {
    bench.signal.throwIfAborted();
    return reasonOf(error as Error);
  }
}

/** Measures a row on each side that has it, and prints the medians. */
async function measureRow(
  row: Row,
  key: string,
  sides: ReadonlyMap<Side, Started>,
  bench: Bench,
  rounds: number,
): Promise<RowResult> {
  const chosen = [...sides.keys()].filter((side) => has(side, row));
  const busyBefore = await busyShare(BUSY_SAMPLE_MS);
  const samples = await inTurn(chosen, Math.min(rounds, row.mostRounds ?? rounds), async (side) => {
    bench.signal.throwIfAborted();
    const running = sides.get(side)!;
    await row.prepare?.(running, bench);
    const sample = await row.measure(running, bench);
    checkAlive(side, running);
    return sample;
  });
  const named = chosen.map((side): [string, Sample[]] => [side.name, samples.get(side)!]);
  const medians = named.map(([name, list]) => {
    const { median } = spreadOf(list.map((sample) => sample.value));
    return `${name} ${formatFigure(median, row.unit)}`;
  });
  console.log(`${key.padEnd(24)} ${medians.join("   ")}`);
  return { key, title: row.title, unit: row.unit, busyBefore, samples: Object.fromEntries(named) };
}

/** Starts a stage's sides, measures its rows on all of them in turn, and ends the sides. */
export function measureStage(stage: Stage, bench: Bench, rounds: number): Promise<StageResult> {
  return withUndo(async (undo) => {
    const sides = new Map<Side, Started>();
    const missing: Missing[] = [];
    for (const side of stage.sides.filter((one) => stage.rows.some((row) => has(one, row)))) {
      const started = await startSide(stage, side, bench);
      if ("reason" in started) missing.push(started);
      else {
        undo.add(side.title, started.cleanup);
        sides.set(side, started);
      }
    }
    const rows: RowResult[] = [];
    // Without kmemfs there is nothing to compare, but other stages may have it.
    const isOneOurs = [...sides.keys()].some((side) => !side.isPeer);
    for (const row of isOneOurs ? stage.rows : []) {
      const key = keyOf(stage, row);
      const reason = await reasonWithout(row, bench);
      if (reason === undefined) rows.push(await measureRow(row, key, sides, bench, rounds));
      else {
        missing.push({ name: key, reason });
        console.log(`${key} is left out: ${reason}`);
      }
    }
    const present = [...sides.keys()].map(({ name, title, isPeer, isYardstick }) => ({
      ...{ name, title, isPeer },
      ...(isYardstick && { isYardstick }),
    }));
    return { name: stage.name, title: stage.title, sides: present, missing, rows };
  });
}
