/** Runs units on several threads. */
import { Worker } from "node:worker_threads";
import type { UnitOutput, UnitsInput } from "./thread.js";

/** A unit takes a second at the most. */
const HANG_MS = 60_000;

export interface UnitsResult {
  readonly requests: number;
  /** The first that was found. */
  readonly failed: UnitOutput | null;
}

export interface UnitsOptions {
  readonly seed: number;
  readonly from: number;
  readonly end: number;
  readonly threads: number;
  /** The compiled `thread.ts`, of the tree that is to be tried. */
  readonly script: URL;
  readonly hangMs?: number;
}

export async function runUnits(options: UnitsOptions): Promise<UnitsResult> {
  let requests = 0;
  let failed: UnitOutput | null = null;
  const workers: Worker[] = [];
  const stopAll = async (): Promise<void> => {
    for (const worker of workers) await worker.terminate();
  };
  const note = (output: UnitOutput): void => {
    requests += output.requests;
    if (output.fault === null || failed !== null) return;
    failed = output;
    void stopAll();
  };
  const ends = Array.from({ length: options.threads }, (_, i) => {
    const { seed, from, end, threads } = options;
    const input: UnitsInput = { seed, from: from + i, step: threads, end };
    const worker = new Worker(options.script, { workerData: input });
    workers.push(worker);
    return endOf(worker, input, options.hangMs ?? HANG_MS, note);
  });
  await Promise.all(ends);
  return { requests, failed };
}

function endOf(worker: Worker, input: UnitsInput, hangMs: number, note: (output: UnitOutput) => void): Promise<void> {
  return new Promise((resolve) => {
    let next = input.from;
    const fail = (fault: string): void => note({ unit: next, requests: 0, fault });
    const hung = (): void => fail(`did not finish within ${hangMs / 1000} s`);
    let timer = setTimeout(hung, hangMs);
    worker.on("message", (output: UnitOutput) => {
      clearTimeout(timer);
      timer = setTimeout(hung, hangMs);
      next = output.unit + input.step;
      note(output);
    });
    worker.on("error", (error) => fail(String(error)));
    worker.on("exit", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
