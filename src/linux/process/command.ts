/**
 * Child commands. Each has a time limit and its own session, so that Ctrl-C reaches
 * only this process and does not interrupt cleaning up. A child that hangs in the
 * kernel cannot be killed: it is left behind, and the caller gets an error.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { UserError } from "../../base/errors.js";
import { nodeEnvironment } from "./nodeEnvironment.js";

export interface RunResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly timeoutMs?: number;
  /** Aborting kills the child and rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** The user to run it as. */
  readonly user?: { readonly uid: number; readonly gid: number } | null;
  /** Inherited as fd 3, so that the file is the same even if its path leads elsewhere by then. */
  readonly inheritedFd?: number;
  /** The time that a killed child gets to end before it is left behind. */
  readonly graceMs?: number;
}

const DEFAULT_TIMEOUT_MS = 30_000;
const GRACE_MS = 2_000;
/** A user's PATH often lacks the directories of mkfs, losetup and blkid. */
const SEARCH_PATH = `${process.env.PATH ?? "/usr/bin:/bin"}:/usr/local/sbin:/usr/sbin:/sbin`;

/** As it is when the child starts: what a service manager had left in ours is taken out first. */
const environment = (): NodeJS.ProcessEnv => ({ ...nodeEnvironment(), PATH: SEARCH_PATH, LC_ALL: "C" });

/** Debian's packages, where it is another than that of most commands. */
const PACKAGES: Readonly<Record<string, string>> = {
  "mkfs.ext4": "e2fsprogs",
  "mkfs.xfs": "xfsprogs",
  "mkfs.btrfs": "btrfs-progs",
  dd: "coreutils",
  rm: "coreutils",
  cmp: "diffutils",
};

export function missingCommand(what: string, command: string): UserError {
  return new UserError(what, `the command ${command} is not installed`, {
    code: "ENOENT",
    cure: `apt-get install ${PACKAGES[command] ?? "util-linux mount"}`,
  });
}

/** @throws UserError naming the package when `command` is nowhere to be found */
export function requireCommand(what: string, command: string): void {
  for (const directory of SEARCH_PATH.split(":")) {
    try {
      accessSync(join(directory, command), constants.X_OK);
      return;
    } catch {
      // Try the next directory.
    }
  }
  throw missingCommand(what, command);
}

/** A child, and what becomes of it. */
interface Launched {
  readonly child: ChildProcess;
  readonly output: { stdout: string; stderr: string };
  /** Rejects when it could not be started. */
  readonly closed: Promise<{ readonly exitCode: number | null; readonly killedBy: string | null }>;
}

function launch(
  command: string,
  args: readonly string[],
  stdin: "ignore" | "pipe",
  { inheritedFd, user }: RunOptions = {},
): Launched {
  const child = spawn(command, args, {
    cwd: "/",
    detached: true,
    stdio: [stdin, "pipe", "pipe", ...(inheritedFd === undefined ? [] : [inheritedFd])],
    env: environment(),
    ...user,
  });
  const output = { stdout: "", stderr: "" };
  // One that could not be started, as with EMFILE, has no streams; its `error` comes later.
  child.stdout?.setEncoding("utf8").on("data", (text) => (output.stdout += text));
  child.stderr?.setEncoding("utf8").on("data", (text) => (output.stderr += text));
  // One that has ended reads nothing; its end tells why.
  child.stdin?.on("error", () => {});
  const closed: Launched["closed"] = new Promise((resolve, reject) => {
    child.on("error", (error: NodeJS.ErrnoException) =>
      reject(error.code === "ENOENT" ? missingCommand(command, command) : error),
    );
    child.on("close", (exitCode, killedBy) => resolve({ exitCode, killedBy }));
  });
  closed.catch(() => {});
  return { child, output, closed };
}

/** How a child ended. Rejects when it could not be started. */
async function endOf({ output, closed }: Launched): Promise<RunResult> {
  const { exitCode, killedBy } = await closed;
  return { exitCode: exitCode ?? 128, ...output, stderr: output.stderr || (killedBy ?? "") };
}

/** Waits for what a child does, which it is killed for not doing in time. @throws UserError when it exceeds its time */
async function inTime(
  { child, closed }: Launched,
  command: string,
  options: RunOptions,
  done: Promise<RunResult>,
): Promise<RunResult> {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, graceMs = GRACE_MS, signal } = options;
  const stopped: { isIt: boolean; reason?: unknown } = { isIt: false };
  let grace: NodeJS.Timeout | undefined;
  let leaveBehind: (end: null) => void = () => {};
  const leftBehind = new Promise<null>((resolve) => {
    leaveBehind = resolve;
  });
  const stop = (reason: unknown): void => {
    if (!stopped.isIt) Object.assign(stopped, { isIt: true, reason });
    child.kill("SIGKILL");
    grace ??= setTimeout(() => leaveBehind(null), graceMs);
  };
  const late = new UserError(command, `did not finish within ${timeoutMs / 1000} s`, { code: "ETIMEDOUT" });
  const timer = setTimeout(() => stop(late), timeoutMs);
  const onAbort = (): void => stop(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const result = await Promise.race([done, leftBehind]);
    if (result === null) {
      child.stdout?.destroy();
      child.stderr?.destroy();
      child.unref();
    }
    if (stopped.isIt || result === null) {
      // Its end is awaited also where an answer came at the last moment.
      await Promise.race([closed, leftBehind]);
      throw stopped.reason;
    }
    return result;
  } finally {
    clearTimeout(timer);
    clearTimeout(grace);
    signal?.removeEventListener("abort", onAbort);
  }
}

/** Runs a command to its end. @throws UserError when it is missing or exceeds its time */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  options.signal?.throwIfAborted();
  const launched = launch(command, args, "ignore", options);
  return inTime(launched, command, options, endOf(launched));
}

/** A command that answers each line of its standard input with a line, and ends with its input. */
export interface Answerer {
  /** Its answer as `stdout`; or how it ended instead. As `run`; its time begins now. */
  ask(line: string, options: RunOptions): Promise<RunResult>;
  /** As `ask`, and waits for its end. */
  askLast(line: string, options: RunOptions): Promise<RunResult>;
  /** False while it is asked, and once it has ended or did not answer in time. */
  readonly isReady: boolean;
}

/** The next line that a child prints; never where it prints none. */
function nextLine({ child, output }: Launched): Promise<RunResult> {
  return new Promise((resolve) => {
    child.stdout?.on("data", function look() {
      const end = output.stdout.indexOf("\n");
      if (end < 0) return;
      child.stdout?.off("data", look);
      const stdout = output.stdout.slice(0, end);
      output.stdout = output.stdout.slice(end + 1);
      resolve({ exitCode: 0, stdout, stderr: "" });
    });
  });
}

/** Starts a command that waits for lines. This process may end without it, and it then gets no more input. */
export function startAnswerer(command: string, args: readonly string[]): Answerer {
  const launched = launch(command, args, "pipe");
  const { child } = launched;
  const handles = [child, child.stdin, child.stdout, child.stderr] as (ChildProcess | Socket | null)[];
  for (const handle of handles) handle?.unref();
  let isReady = true;
  const gone = (): void => {
    isReady = false;
  };
  launched.closed.then(gone, gone);
  const begin = ({ signal }: RunOptions): void => {
    isReady = false;
    for (const handle of handles) handle?.ref();
    if (signal?.aborted) child.kill("SIGKILL");
    signal?.throwIfAborted();
  };
  return {
    get isReady() {
      return isReady;
    },
    ask: async (line, options) => {
      begin(options);
      const answered = Promise.race([nextLine(launched), endOf(launched)]);
      child.stdin?.write(`${line}\n`);
      const result = await inTime(launched, command, options, answered);
      for (const handle of handles) handle?.unref();
      isReady = child.exitCode === null && child.signalCode === null;
      return result;
    },
    askLast: async (line, options) => {
      begin(options);
      child.stdin?.end(`${line}\n`);
      return inTime(launched, command, options, endOf(launched));
    },
  };
}

/**
 * As `run` for a command that asks no mount of ours, with the caller waiting for it.
 * @param inheritedFd as its fd 3
 * @returns `error` when it could not be started, or took longer
 */
export function runSync(
  command: string,
  args: readonly string[],
  {
    timeoutMs,
    inheritedFd,
    env = {},
  }: { timeoutMs: number; inheritedFd?: number | undefined; env?: NodeJS.ProcessEnv },
): { readonly status: number | null; readonly stdout: string; readonly stderr: string; readonly error?: Error } {
  return spawnSync(command, args, {
    cwd: "/",
    env: { ...environment(), ...env },
    stdio: ["ignore", "pipe", "pipe", inheritedFd ?? "ignore"],
    timeout: timeoutMs,
    killSignal: "SIGKILL",
    encoding: "utf8",
  });
}

/** A command's error message: the first line (usage or hints follow it), without its own name. */
export function complaint(result: RunResult): string {
  const lines = `${result.stderr}\n${result.stdout}`.split("\n").map((line) => line.trim());
  const first = lines.find((line) => line !== "") ?? `exit code ${result.exitCode}`;
  return first.replace(/^[\w./-]*(losetup|mount|umount|mkfs\.\w+|mke2fs|fstrim|blkid): /, "");
}

/** As `run`, but a non-zero exit code is a UserError of `what`. Returns stdout, trimmed. */
export async function runOk(
  what: string,
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const result = await run(command, args, options);
  if (result.exitCode !== 0) throw new UserError(what, `${command}: ${complaint(result)}`);
  return result.stdout.trim();
}
