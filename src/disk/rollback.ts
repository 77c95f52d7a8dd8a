/**
 * Work in steps that can be undone. After an error, or SIGINT, SIGTERM or SIGHUP, the
 * finished steps are undone in reverse order; an undo that fails is reported and the
 * rest still runs.
 */
import { UserError } from "../base/errors.js";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

interface Step {
  readonly name: string;
  readonly undo: () => Promise<void>;
}

export class Rollback {
  private readonly steps: Step[] = [];

  /** Registers how to undo the step just done; `name` is told when that fails. */
  push(name: string, undo: () => Promise<void>): void {
    this.steps.push({ name, undo });
  }

  /** Undoes all steps, the last first. Returns what could not be undone. */
  async unwind(): Promise<string[]> {
    const failures: string[] = [];
    for (let step = this.steps.pop(); step !== undefined; step = this.steps.pop()) {
      try {
        await step.undo();
      } catch (error) {
        failures.push(`${step.name}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    return failures;
  }
}

/**
 * Runs `work` with a signal that SIGINT, SIGTERM and SIGHUP abort. The
 * handlers stay until the end, so that a second Ctrl-C does not stop the undoing.
 */
export async function interruptible<T>(what: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const handlers = SIGNALS.map(
    (name) => [name, () => controller.abort(new UserError(what, `stopped by ${name}`))] as const,
  );
  for (const [name, handler] of handlers) process.on(name, handler);
  try {
    return await work(controller.signal);
  } finally {
    for (const [name, handler] of handlers) process.off(name, handler);
  }
}

/**
 * Runs `work`; when it fails, undoes what it pushed and rethrows. What could
 * not be undone is added to the error's line.
 */
export async function allOrNothing<T>(work: (undo: Rollback) => Promise<T>): Promise<T> {
  const undo = new Rollback();
  try {
    return await work(undo);
  } catch (error) {
    const failures = await undo.unwind();
    if (failures.length === 0) throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw new UserError(message, `what was done could not be undone: ${failures.join("; ")}`, {
      exitCode: error instanceof UserError ? error.exitCode : 1,
    });
  }
}
