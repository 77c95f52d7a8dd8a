/** Runs the threads of one kind on one pool, and looks at what is left. */
import { Worker } from "node:worker_threads";
import { formatFake, openPool, type TestPool } from "../../support/testPool.js";
import { Barrier } from "./barrier.js";
import { BLOCK_WORDS, History } from "./history.js";
import type { StressKind } from "./kinds.js";
import { endFaults } from "./quiet.js";
import type { ThreadInput, ThreadOutput } from "./thread.js";

/** Without a meeting of the threads for so long, one hangs. */
const HANG_MS = 60_000;
/** How long the others have to end when one has found something: it may have died with the mutex held. */
const GRACE_MS = 1_000;

export interface RunResult {
  readonly faults: readonly string[];
  readonly outputs: readonly ThreadOutput[];
}

export interface RunOptions {
  readonly kind: StressKind;
  readonly threads: number;
  readonly seed: number;
  readonly operations: number;
  /** The compiled `thread.ts`, of the tree that is to be tried. */
  readonly script: URL;
}

export async function runKind(options: RunOptions): Promise<RunResult> {
  const { kind, threads } = options;
  const pool = openPool(formatFake(kind.options), { atomicWrites: kind.options.atomicWrites });
  if (kind.limitPages !== undefined) pool.fake.limit(kind.limitPages);
  const words = Barrier.allocate();
  const histories = Array.from({ length: threads }, () => History.allocate());
  const contents = new Int32Array(new SharedArrayBuffer(4 * BLOCK_WORDS * pool.pool.blocks));
  const workers = histories.map((_, slot) => {
    const input: ThreadInput = {
      memory: pool.fake.state,
      common: pool.common,
      barrier: words,
      histories,
      contents,
      slot,
      seed: options.seed,
      operations: Math.ceil(options.operations / threads),
      atomicWrites: kind.options.atomicWrites ?? false,
      wholeBlocks: kind.wholeBlocks ?? false,
    };
    return new Worker(options.script, { workerData: input });
  });
  const outputs: ThreadOutput[] = [];
  const hang = watchFor(new Barrier(words, threads), outputs, HANG_MS);
  const ended = await Promise.race([Promise.all(workers.map((worker) => end(worker, outputs))), hang.found]);
  hang.stop();
  await Promise.all(workers.map((worker) => worker.terminate()));
  const faults = outputs.flatMap((output) => output.faults);
  const shortages = outputs.reduce((sum, output) => sum + output.shortages, 0);
  if (kind.fits === true && shortages > 0) faults.push(`${shortages} shortages with a page for each block`);
  if (faults.length === 0) faults.push(...(ended === null ? ["the threads hang"] : faultsAtEnd(pool)));
  return { faults, outputs };
}

function faultsAtEnd(pool: TestPool): readonly string[] {
  try {
    return endFaults(pool);
  } catch (error) {
    return [`at the end: ${String(error)}`];
  }
}

/** Adds what a thread reports. */
function end(worker: Worker, outputs: ThreadOutput[]): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.on("message", (output: ThreadOutput) => {
      outputs.push(output);
      resolve();
    });
    worker.on("error", reject);
  });
}

/** `found` becomes null when the threads have not met for `hangMs`, or one has found something and others do not end. */
function watchFor(barrier: Barrier, outputs: readonly ThreadOutput[], hangMs: number): Watch {
  let timer: NodeJS.Timeout | undefined;
  const found = new Promise<null>((resolve) => {
    let meetings = barrier.meetings;
    let stillMs = 0;
    timer = setInterval(() => {
      stillMs = barrier.meetings === meetings ? stillMs + GRACE_MS : 0;
      meetings = barrier.meetings;
      const hasFault = outputs.some((output) => output.faults.length > 0);
      if (hasFault || stillMs >= hangMs) resolve(null);
    }, GRACE_MS);
  });
  return { found, stop: () => clearInterval(timer) };
}

interface Watch {
  readonly found: Promise<null>;
  readonly stop: () => void;
}
