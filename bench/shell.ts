/**
 * The commands that the benchmarks run. Each has a time limit; one that hangs in
 * the kernel and cannot be killed is left behind, so that the clean-up always comes.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Background, killGroup, start } from "../test/support/processes.js";
import { killTree } from "./processTree.js";

export interface CommandOptions {
  /** Absent: 30 seconds. */
  readonly timeoutMs?: number;
  /** Aborting kills the command. Absent in the clean-up, which nothing cuts short. */
  readonly signal?: AbortSignal;
}

const DEFAULT_TIMEOUT_MS = 30_000;
/** What a command gets to end by itself when it is asked to: fio ends its jobs. */
const END_GRACE_MS = 3_000;
/** What a killed command gets to go away. */
const KILL_GRACE_MS = 2_000;
const ENVIRONMENT = { LC_ALL: "C" };

/** Starts a command that runs on; end it with its `stop`. @throws Error when it cannot be started */
export function background(
  name: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Background {
  return start(name, args, { cwd: "/", env: { ...ENVIRONMENT, ...environment } });
}

/** Asks the command to end, and kills it when it does not; resolves in any case. */
async function end(child: Background): Promise<void> {
  const gone = child.exited.then(
    () => true,
    () => true,
  );
  const isGoneWithin = (ms: number): Promise<boolean> => Promise.race([gone, sleep(ms, false, { ref: false })]);
  killGroup(child.pid, "SIGTERM");
  if (await isGoneWithin(END_GRACE_MS)) return;
  killTree(child.pid);
  await isGoneWithin(KILL_GRACE_MS);
}

function statusOf(child: Background, line: string, options: CommandOptions): Promise<number> {
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  return new Promise((resolve, reject) => {
    let verdict: unknown;
    const stop = (reason: unknown): void => {
      verdict ??= reason;
      void end(child).then(() => reject(verdict));
    };
    const timer = setTimeout(() => stop(new Error(`${line}: no end within ${timeoutMs / 1000} s`)), timeoutMs);
    const onAbort = (): void => stop(options.signal?.reason);
    options.signal?.addEventListener("abort", onAbort, { once: true });
    const settle = (status: number): void => (verdict === undefined ? resolve(status) : reject(verdict));
    child.exited.then(settle, reject).finally(() => {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", onAbort);
    });
  });
}

/**
 * Runs a command to its end and returns its stdout.
 * @throws Error with what it said, when its status is not 0 or its time is over
 */
export async function command(name: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  options.signal?.throwIfAborted();
  const line = [name, ...args].join(" ");
  const child = background(name, args);
  const status = await statusOf(child, line, options);
  if (status === 0) return child.stdout();
  const said = (child.stderr().trim() || child.stdout().trim()).slice(-1000);
  throw new Error(`${line}: status ${status}\n${said}`);
}
