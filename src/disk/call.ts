/**
 * Calls of the kernel that may wait for a disk, or for ever, each list of them in a
 * process of its own with a time limit: the caller may be the one that the disk waits
 * for. The process is told which mount or device is meant by its number, never by a
 * path alone, and shows that it reached that one before it acts.
 */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { errorFromBody } from "../base/errors.js";
import { complaint, run } from "../linux/process/command.js";
import { type Call, type CallOutcome, type CallValue, makeHere, makeHereUnasked } from "./kernelCalls.js";

export interface CallOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Nobody serves the disk: it answers at once, with an error, also its own holder. */
  readonly isDead?: boolean;
}

const MAIN = fileURLToPath(new URL("./callMain.js", import.meta.url));

/**
 * Makes `calls` one after the other, until one fails.
 * @param what the thing that fails, e.g. `down /mnt/x`
 * @throws UserError when they take too long; what was begun may still happen then
 */
export async function tryCalls(what: string, calls: readonly Call[], options: CallOptions): Promise<CallOutcome[]> {
  // The program was removed while it runs: what must be ended can be ended all the same.
  if (!existsSync(MAIN)) return options.isDead ? makeHere(what, calls) : makeHereUnasked(what, calls);
  const result = await run(process.execPath, [MAIN, what, JSON.stringify(calls)], options);
  if (result.exitCode !== 0) return [{ error: { what, reason: complaint(result) } }];
  return JSON.parse(result.stdout) as CallOutcome[];
}

/** As `tryCalls`. @throws UserError of the first that failed */
export async function makeCalls(what: string, calls: readonly Call[], options: CallOptions): Promise<CallValue[]> {
  if (calls.length === 0) return [];
  const outcomes = await tryCalls(what, calls, options);
  return outcomes.map((outcome) => {
    if ("error" in outcome) throw errorFromBody(outcome.error);
    return outcome.value;
  });
}
