/**
 * Children of the tests, and what must be undone after them.
 * Each child leads a process group of its own, so that a time-out ends it with
 * all that it started; a group that is left when the test process exits is killed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { patience } from "./patience.js";

export interface RunOptions {
  /** Absent: 30 seconds. */
  readonly timeoutMs?: number;
  readonly input?: string | Uint8Array;
  /** Added to the environment of the test; undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** What the child inherits from number 3 on. */
  readonly fds?: readonly number[];
  /** Return a status other than 0 instead of throwing. A time-out throws all the same. */
  readonly allowFail?: boolean;
}

export interface RunResult {
  /** The exit code, or 128 plus the signal's number as a shell has it. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

const DEFAULT_TIMEOUT_MS = 60_000;
/** How long output may still come after the child itself is gone: a daemon may hold the pipes open. */
const DRAIN_MS = 2_000;
const SIGNAL_NUMBERS: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGBUS: 7, SIGKILL: 9, SIGTERM: 15 };

const liveGroups = new Set<number>();
process.on("exit", () => {
  for (const pid of liveGroups) killGroup(pid, "SIGKILL");
});

/** Signals the process group that `pid` leads; one that is gone is no error. */
export function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function launch(command: string, args: readonly string[], options: RunOptions): ChildProcess {
  const child = spawn(command, args, {
    detached: true,
    stdio: ["pipe", "pipe", "pipe", ...(options.fds ?? [])],
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  if (child.pid !== undefined) liveGroups.add(child.pid);
  child.once("exit", () => {
    if (child.pid !== undefined) liveGroups.delete(child.pid);
  });
  // A child that ends without reading its input is judged by its status.
  child.stdin?.on("error", () => undefined);
  return child;
}

/** Gathers a stream as text; the returned function gives what has come so far. */
function gather(stream: NodeJS.ReadableStream | null): () => string {
  const chunks: Buffer[] = [];
  stream?.on("data", (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString("utf8");
}

/** Resolves with the status once the child is gone and its output has come; rejects when it cannot start. */
function ended(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      const status = code ?? 128 + (SIGNAL_NUMBERS[signal ?? ""] ?? 0);
      const drained = setTimeout(() => {
        child.stdout?.destroy();
        child.stderr?.destroy();
      }, DRAIN_MS);
      child.once("close", () => {
        clearTimeout(drained);
        resolve(status);
      });
    });
  });
}

/**
 * Runs a command to its end. Its whole process group is killed at the time-out.
 * @throws Error with the command, the status and the end of both outputs
 */
export async function run(command: string, args: readonly string[] = [], options: RunOptions = {}): Promise<RunResult> {
  const timeoutMs = patience * (options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
  const child = launch(command, args, options);
  const stdout = gather(child.stdout);
  const stderr = gather(child.stderr);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    if (child.pid !== undefined) killGroup(child.pid, "SIGKILL");
  }, timeoutMs);
  child.stdin?.end(options.input ?? "");
  const status = await ended(child).finally(() => clearTimeout(timer));
  const line = [command, ...args].join(" ");
  const said = `\nstdout: ${stdout().slice(-2000)}\nstderr: ${stderr().slice(-2000)}`;
  if (timedOut) throw new Error(`${line}: no end within ${timeoutMs} ms${said}`);
  if (status !== 0 && options.allowFail !== true) throw new Error(`${line}: status ${status}${said}`);
  return { status, stdout: stdout(), stderr: stderr() };
}

/** A child that goes on running beside the test. */
export interface Background {
  readonly pid: number;
  /** Resolves with the status when the child is gone, by itself or not. */
  readonly exited: Promise<number>;
  stdout(): string;
  stderr(): string;
  /** Resolves when `pattern` is in stdout or stderr. @throws Error at the time-out or when the child ends first */
  waitFor(pattern: RegExp, timeoutMs?: number): Promise<void>;
  /** Sends SIGTERM, and SIGKILL to the whole group when that is not enough within `timeoutMs`. */
  stop(timeoutMs?: number): Promise<number>;
}

/** Starts a command and returns at once. Hand `stop` to a `Cleanup`. */
export function start(command: string, args: readonly string[] = [], options: RunOptions = {}): Background {
  const child = launch(command, args, options);
  const stdout = gather(child.stdout);
  const stderr = gather(child.stderr);
  const exited = ended(child);
  exited.catch(() => undefined);
  let isGone = false;
  child.once("exit", () => {
    isGone = true;
  });
  child.stdin?.end(options.input ?? "");
  const pid = child.pid;
  if (pid === undefined) throw new Error(`${command}: cannot be started`);
  return {
    pid,
    exited,
    stdout,
    stderr,
    async waitFor(pattern, timeoutMs = DEFAULT_TIMEOUT_MS) {
      const said = (): boolean => pattern.test(stdout()) || pattern.test(stderr());
      await until(() => said() || isGone, timeoutMs, `${pattern} from ${command}\nstderr: ${stderr().slice(-2000)}`);
      if (!said()) throw new Error(`${command} ended before it said ${pattern}\nstderr: ${stderr().slice(-2000)}`);
    },
    async stop(timeoutMs = 30_000) {
      if (isGone) return exited;
      process.kill(pid, "SIGTERM");
      const timer = setTimeout(() => killGroup(pid, "SIGKILL"), patience * timeoutMs);
      return exited.finally(() => clearTimeout(timer));
    },
  };
}

/** Resolves when `condition` holds, asked every 20 ms. @throws Error naming `what` at the time-out */
export async function until(
  condition: () => boolean | Promise<boolean>,
  timeoutMs: number,
  what: string,
): Promise<void> {
  const endMs = performance.now() + patience * timeoutMs;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`waited ${patience * timeoutMs} ms in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Those of `pids` that run still: a zombie waits only to be reaped. */
export function stillRunning(pids: readonly (number | null)[]): number[] {
  const stateOf = (pid: number): string => {
    try {
      return /^State:\s+(\S)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "";
    } catch {
      return "";
    }
  };
  return pids.filter((pid) => pid !== null).filter((pid) => !["", "Z", "X"].includes(stateOf(pid)));
}
