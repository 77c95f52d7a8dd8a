/** A thread of the trial: executes inputs, random ones or guided by coverage, and ends at the first finding. */
import { parentPort, workerData } from "node:worker_threads";
import { Random } from "../../support/random.js";
import { installAllocationCount } from "./allocations.js";
import { executeBounded, slowestMs } from "./bounded.js";
import { MOST_INPUT_BYTES, randomInput } from "./generate.js";
import { Guide } from "./guided.js";
import { Status } from "./status.js";

export interface WorkerInput {
  readonly seed: number;
  readonly count: number;
  /** Branches that have a counter; null: random inputs. */
  readonly branches: number | null;
  /** Execute this one only. */
  readonly replay: Uint8Array | null;
  readonly shared: SharedArrayBuffer;
}

export interface WorkerFinding {
  readonly input: Uint8Array;
  readonly message: string;
}

const work = workerData as WorkerInput;
const status = new Status(work.shared);
const buffer = new Uint8Array(MOST_INPUT_BYTES);
/** Made by the first module that counts (`compile.ts`). */
const counts = (globalThis as { branchCounts?: Uint32Array }).branchCounts ?? new Uint32Array();
installAllocationCount();
parentPort?.postMessage(work.replay === null ? run(work.seed, work.count) : executeOne(work.replay));

function run(seed: number, count: number): WorkerFinding | null {
  // Stack traces cost more than all else that a refusal does; the finding is executed again with them.
  Error.stackTraceLimit = 0;
  const random = new Random(seed);
  const guide = work.branches === null ? null : new Guide(seed, counts, work.branches);
  for (let i = 0; i < count; i++) {
    const length = guide === null ? randomInput(random, buffer) : guide.next(buffer);
    const finding = executeOne(buffer.subarray(0, length));
    if (finding !== null) return finding;
    guide?.learn(buffer.subarray(0, length));
    if ((i & 1023) === 0 || i === count - 1) report(guide);
  }
  return null;
}

function report(guide: Guide | null): void {
  status.set("slowestUs", Math.round(slowestMs * 1000));
  if (guide === null) return;
  status.set("keptInputs", guide.keptInputs);
  status.set("takenBranches", guide.takenBranches);
}

function executeOne(input: Uint8Array): WorkerFinding | null {
  status.begin(input);
  try {
    status.count(executeBounded(input));
    return null;
  } catch {
    return { input: input.slice(), message: tell(input) };
  }
}

/** The error with where it came from. */
function tell(input: Uint8Array): string {
  Error.stackTraceLimit = 30;
  try {
    executeBounded(input);
    return "an error that does not come again: executions depend on each other";
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}
