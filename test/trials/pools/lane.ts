/** Runs one thread of the trial and watches it: a hang, too much memory, a death are findings like any other. */
import { Worker } from "node:worker_threads";
import type { CompiledTree } from "./compile.js";
import { Status } from "./status.js";
import type { WorkerFinding, WorkerInput } from "./worker.js";

/** Of the process with its threads and the compiler. */
export const MOST_RSS_BYTES = 512 * 1024 * 1024;
/** A thread measures each execution itself and may take a second, three times: what is silent for longer hangs. */
const HANG_MS = 15_000;
const LOOK_MS = 250;
/** Of a thread: what is kept for longer than an execution is little. */
const HEAP = { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 16 };

export interface Lane {
  readonly status: Status;
  /** Null when nothing was found. */
  readonly ended: Promise<WorkerFinding | null>;
  stop(): Promise<unknown>;
}

type Work = Pick<WorkerInput, "seed" | "count"> & { readonly guided: boolean; readonly replay?: Uint8Array };

export let highestRssBytes = 0;

export function startLane(tree: CompiledTree, { seed, count, guided, replay }: Work): Lane {
  const status = new Status();
  const workerData: WorkerInput = {
    seed,
    count,
    branches: guided ? tree.branches : null,
    replay: replay ?? null,
    shared: status.shared,
  };
  const worker = new Worker(tree.worker, { workerData, resourceLimits: HEAP });
  const ended = new Promise<WorkerFinding | null>((resolve) => {
    const found = (message: string) => resolve({ input: status.input(), message });
    const stopWatching = watch(status, (message) => {
      found(message);
      void worker.terminate();
    });
    worker.on("message", resolve);
    worker.on("error", (error) => found(`the thread died: ${error.stack ?? error.message}`));
    worker.on("exit", (code) => {
      stopWatching();
      found(`the thread ended by itself, with code ${code}`);
    });
  });
  return { status, ended, stop: () => worker.terminate() };
}

function watch(status: Status, found: (message: string) => void): () => void {
  let executions = -1;
  let sinceMs = Date.now();
  const timer = setInterval(() => {
    const now = status.get("executions");
    if (now !== executions) {
      executions = now;
      sinceMs = Date.now();
    } else if (Date.now() - sinceMs > HANG_MS) {
      found(`an execution does not exit within ${HANG_MS} ms`);
    }
    const rssBytes = process.memoryUsage.rss();
    highestRssBytes = Math.max(highestRssBytes, rssBytes);
    if (rssBytes > MOST_RSS_BYTES) found(`the process takes ${Math.round(rssBytes / 1024 / 1024)} MiB`);
  }, LOOK_MS);
  return () => clearInterval(timer);
}
