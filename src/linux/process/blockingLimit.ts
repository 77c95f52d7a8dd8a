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

const WATCHER = `
const { workerData: { state, fd, limitMs } } = require("node:worker_threads");
Atomics.wait(state, 0, ${RUNS}, limitMs);
if (Atomics.compareExchange(state, 0, ${RUNS}, ${LATE}) === ${RUNS}) {
  try {
    require("node:fs").writeSync(fd, "1");
  } catch {
    // The connection is gone: nothing waits for it.
  }
  Atomics.store(state, 0, ${WRITTEN});
  Atomics.notify(state, 0);
}`;

/**
 * Does `act`; when that takes longer than `limitMs`, "1" is written to `abortFd`, which is to free it.
 * @returns what `act` gave, and whether it was in time
 */
export function withinLimit<Result>(
  abortFd: number,
  limitMs: number,
  act: () => Result,
): { readonly result: Result; readonly inTime: boolean } {
  const state = new Int32Array(new SharedArrayBuffer(4));
  const watcher = new Worker(WATCHER, { eval: true, workerData: { state, fd: abortFd, limitMs } });
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
