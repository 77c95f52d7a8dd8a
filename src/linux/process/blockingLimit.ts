/**
 * A time limit for a call that blocks this thread in the kernel. A second thread watches it; its
 * code is passed as a string, as our files may be gone.
 */
import { Worker } from "node:worker_threads";

const RUNS = 0;
const ENDED = 1;
/** The limit has passed, and the watcher is writing. */
const LATE = 2;
const WRITTEN = 3;

/** A server that dies after it moved is to be known long before a machine that shuts down ends us. */
const LOOK_MS = 5_000;

const WATCHER = `
const { readSync, writeSync } = require("node:fs");
const { workerData: { state, fd, limits: { limitMs, mostMs, progress } } } = require("node:worker_threads");
const look = () => {
  if (progress === undefined) return null;
  try {
    const bytes = Buffer.alloc(progress.lengthBytes);
    readSync(progress.fd, bytes, 0, bytes.length, progress.at);
    return bytes.toString("latin1");
  } catch {
    return null;
  }
};
const endsMs = performance.now() + (progress === undefined ? limitMs : mostMs);
let seen = look();
let seenMs = performance.now();
for (;;) {
  const now = performance.now();
  const leftMs = Math.min(seenMs + limitMs, endsMs) - now;
  if (leftMs <= 0 || Atomics.wait(state, 0, ${RUNS}, Math.min(leftMs, ${LOOK_MS})) !== "timed-out") break;
  const looked = look();
  // What cannot be seen is no progress: the limit holds.
  if (looked === null || looked === seen) continue;
  if (seen !== null) seenMs = performance.now();
  seen = looked;
}
if (Atomics.compareExchange(state, 0, ${RUNS}, ${LATE}) === ${RUNS}) {
  try {
    writeSync(fd, "1");
  } catch {
    // The connection is gone: nothing waits for it.
  }
  Atomics.store(state, 0, ${WRITTEN});
  Atomics.notify(state, 0);
}`;

/** Bytes of an open file that change while whoever is waited for goes on. */
export interface ProgressBytes {
  readonly fd: number;
  readonly at: number;
  readonly lengthBytes: number;
}

interface Limits {
  readonly limitMs: number;
  /** With `progress`, which begins `limitMs` anew: no longer than this. */
  readonly mostMs: number;
  readonly progress?: ProgressBytes | undefined;
}

/**
 * Does `act`; when that takes longer than its limits, "1" is written to `abortFd`, which is to free it.
 * @returns what `act` gave, and whether it was in time
 */
export function withinLimit<Result>(
  abortFd: number,
  limits: Limits,
  act: () => Result,
): { readonly result: Result; readonly inTime: boolean } {
  const state = new Int32Array(new SharedArrayBuffer(4));
  const watcher = new Worker(WATCHER, { eval: true, workerData: { state, fd: abortFd, limits } });
  // Without a thread there is no limit; what is to be done is done all the same.
  watcher.on("error", () => {});
  watcher.unref();
  const end = (): boolean => {
    const inTime = Atomics.compareExchange(state, 0, RUNS, ENDED) === RUNS;
    Atomics.notify(state, 0);
    // The fd must stay open until it was written to.
    if (!inTime) Atomics.wait(state, 0, LATE);
    return inTime;
  };
  try {
    const result = act();
    return { result, inTime: end() };
  } finally {
    end();
  }
}
