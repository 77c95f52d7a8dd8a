/** What a benchmark makes is undone, also after a failure and after Ctrl-C. */
import { Cleanup } from "../test/support/cleanup.js";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Undoes what `work` has made when `work` fails, and tells what cannot be undone. */
export async function undoOnFailure<T>(undo: Cleanup, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await undo.run().catch((failure: Error) => console.error(`bench: ${failure.message}`));
    throw error;
  }
}

/** Runs `work` and undoes what it has made, whether it fails or not. */
export async function withUndo<T>(work: (undo: Cleanup) => Promise<T>): Promise<T> {
  const undo = new Cleanup();
  const result = await undoOnFailure(undo, () => work(undo));
  await undo.run();
  return result;
}

/** Runs `work` with a signal that Ctrl-C and its like abort; a second one changes nothing. */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const handlers = SIGNALS.map((name) => [name, () => controller.abort(new Error(`stopped by ${name}`))] as const);
  for (const [name, handler] of handlers) process.on(name, handler);
  try {
    return await work(controller.signal);
  } finally {
    for (const [name, handler] of handlers) process.off(name, handler);
  }
}
