/**
 * Kernel calls that may wait for a disk, or forever. Each list of them runs in its own
 * process with a time limit, as the disk may be waiting for the caller. The process gets
 * the mount or device by its number, never by a path alone, and verifies that it reached
 * that one before it acts.
 */
import { closeSync, existsSync } from "node:fs";
import { errorFromBody } from "../base/errors.js";
import { openAbort } from "../linux/fuse/fuseConnection.js";
import { type ProgressBytes, withinLimit } from "../linux/process/blockingLimit.js";
import { type Answerer, complaint, startAnswerer } from "../linux/process/command.js";
import { nodeArguments } from "../linux/process/nodeEnvironment.js";
import { CALL_PROGRAM, filesOf } from "../linux/process/programs.js";
import { asks, type Call, type CallOutcome, type CallValue, makeHere, makeHereUnasked } from "./kernelCalls.js";

export interface CallOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** The disk has no server: it returns an error at once, also to its own holder. */
  readonly isDead?: boolean;
  readonly waitsFor?: AwaitedSession | undefined;
}

/** What calls may wait for where its end may be forced: it is aborted at the limit when no process can be started for them. */
export interface AwaitedSession {
  /** `MAJ:MIN` of its mount. */
  readonly device: string;
  /** Changes while its server goes on. */
  readonly progress?: ProgressBytes | undefined;
}

/** Of a process that found its file, but not all that belongs to it. */
const UNLOADED = /Cannot find |MODULE_NOT_FOUND/;
/**
 * A blocked holder cannot start a server. Less than the time limit of a machine that shuts down;
 * longer only while a server is seen to answer.
 */
const HERE_MS = 45_000;

const startProcess = (): Answerer => startAnswerer(process.execPath, nodeArguments(CALL_PROGRAM));
/** One that waits for its next calls; null where each list has a process of its own. */
let kept: Answerer | null = null;

/**
 * Starts a process for all calls of a command that ends soon: Node takes longer to start than most calls, and the
 * process ends with this one.
 */
export function prepareCalls(): void {
  if (canStart()) kept ??= startProcess();
}

/**
 * Makes `calls` one after the other, until one fails.
 * @param what the thing that fails, e.g. `down /mnt/x`
 * @throws UserError when they take too long; what was begun may still happen then
 */
export async function tryCalls(what: string, calls: readonly Call[], options: CallOptions): Promise<CallOutcome[]> {
  if (canStart()) {
    const line = JSON.stringify({ what, calls });
    const result = await (kept?.isReady ? kept.ask(line, options) : startProcess().askLast(line, options));
    if (result.exitCode === 0) return JSON.parse(result.stdout) as CallOutcome[];
    if (!UNLOADED.test(result.stderr)) return [{ error: { what, reason: complaint(result) } }];
  }
  // The program was removed while it runs; a mount must still be able to end.
  return options.isDead && !asks(calls) ? makeHere(what, calls) : makeInTime(what, calls, options);
}

/** False when the program was removed while it runs. */
export function canStart(): boolean {
  return [...filesOf(CALL_PROGRAM), process.execPath].every((file) => existsSync(file));
}

/** In this process, which nothing but an abort of the session frees when its server hangs, or dies. */
function makeInTime(what: string, calls: readonly Call[], { waitsFor, timeoutMs }: CallOptions): CallOutcome[] {
  const connection = /^0:(\d+)$/.exec(waitsFor?.device ?? "")?.[1];
  const fd = connection === undefined ? -1 : openAbort(Number(connection));
  if (fd < 0) return makeHereUnasked(what, calls);
  const limitMs = Math.min(timeoutMs, HERE_MS);
  const begunMs = performance.now();
  try {
    const limits = { limitMs, mostMs: timeoutMs, progress: waitsFor?.progress };
    const { result, inTime } = withinLimit(fd, limits, () => makeHereUnasked(what, calls));
    if (inTime) return result;
    const seconds = Math.round((performance.now() - begunMs) / 1000);
    const reason = `no process can be started for it, as the program is gone; it did not end within ${seconds} s`;
    return [{ error: { what, reason: `${reason}, and the disk was aborted`, code: "ETIMEDOUT" } }];
  } finally {
    closeSync(fd);
  }
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
