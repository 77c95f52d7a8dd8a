/** The threads that serve beside the main thread, which then only keeps house. */
import { statSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { THREAD_PROGRAM } from "../../linux/process/programs.js";
import { die } from "./serverEnd.js";
import { GATE_OPEN, GATE_SHUT, type Gate, type ThreadInput } from "./threadInput.js";

/** The main thread keeps house as 0, and serves as 1. */
const FIRST_THREAD = 2;

/** The modification time of the running program. */
const LOADED_MS = modifiedMs();

function modifiedMs(): number | null {
  try {
    return statSync(THREAD_PROGRAM).mtimeMs;
  } catch {
    return null;
  }
}

export interface ServingThreads {
  /** True when all could serve; why one could not be started; null until then. */
  readonly ready: true | Error | null;
  /** The buffers of all are. */
  readonly isLocked: boolean;
  /** Has them begin. */
  serve(): void;
  /** Sends them away that have not begun. */
  dismiss(): void;
  /** Resolves when all have ended. */
  readonly ended: Promise<unknown>;
}

/** @returns null where the program of a thread is gone, or another by now, with which we would share nothing */
export function startThreads(
  common: Omit<ThreadInput, "thread" | "channelFd" | "gate">,
  channelFds: readonly number[],
): ServingThreads | null {
  if (LOADED_MS === null || modifiedMs() !== LOADED_MS) return null;
  const gate: Gate = new Int32Array(new SharedArrayBuffer(4));
  const opened = (how: number): void => {
    Atomics.store(gate, 0, how);
    Atomics.notify(gate, 0);
  };
  let ready: ServingThreads["ready"] = null;
  let isServing = false;
  const locked: boolean[] = [];
  const start = (channelFd: number, i: number): Promise<unknown> => {
    const workerData: ThreadInput = { ...common, channelFd, thread: FIRST_THREAD + i, gate };
    const worker = new Worker(THREAD_PROGRAM, {
      workerData,
      resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 },
    });
    worker.on("error", (error) => {
      if (isServing) die(error);
      ready = error;
    });
    worker.once("message", ({ isLocked }: { isLocked: boolean }) => {
      locked.push(isLocked);
      if (locked.length === channelFds.length) ready ??= true;
    });
    return new Promise((resolve) => worker.once("exit", resolve));
  };
  const ended: Promise<unknown>[] = [];
  try {
    for (const [i, channelFd] of channelFds.entries()) ended.push(start(channelFd, i));
  } catch (error) {
    // Not an event: the machine, or a limit of the user's, has no more threads (EAGAIN).
    ready = error as Error;
  }
  return {
    get ready() {
      return ready;
    },
    get isLocked() {
      return locked.every(Boolean);
    },
    serve: () => {
      isServing = true;
      opened(GATE_OPEN);
    },
    dismiss: () => opened(GATE_SHUT),
    ended: Promise.all(ended),
  };
}
