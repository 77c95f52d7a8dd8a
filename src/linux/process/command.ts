/**
 * Child commands. Each has a time limit and its own session, so that Ctrl-C reaches
 * only this process and does not interrupt cleaning up. A child that hangs in the
 * kernel cannot be killed: it is left behind, and the caller gets an error.
 */
import { spawn, spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
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

/** Runs a command to its end. @throws UserError when it is missing or exceeds its time */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, graceMs = GRACE_MS, inheritedFd } = options;
  return new Promise((resolve, reject) => {
    if (options.signal?.aborted) return reject(options.signal.reason);
    const child = spawn(command, args, {
      cwd: "/",
      detached: true,
      stdio: ["ignore", "pipe", "pipe", ...(inheritedFd === undefined ? [] : [inheritedFd])],
      env: environment(),
      ...options.user,
    });
    const output = { stdout: "", stderr: "" };
    // One that could not be started, as with EMFILE, has no streams; its `error` comes later.
    child.stdout?.setEncoding("utf8").on("data", (text) => (output.stdout += text));
    child.stderr?.setEncoding("utf8").on("data", (text) => (output.stderr += text));

    let verdict: unknown;
    let grace: NodeJS.Timeout | undefined;
    const stop = (reason: unknown): void => {
      verdict ??= reason;
      child.kill("SIGKILL");
      grace ??= setTimeout(() => {
        child.stdout?.destroy();
        child.stderr?.destroy();
        child.unref();
        finish(() => reject(verdict));
      }, graceMs);
    };
    const onAbort = (): void => stop(options.signal?.reason);
    const late = (): void =>
      stop(new UserError(command, `did not finish within ${timeoutMs / 1000} s`, { code: "ETIMEDOUT" }));
    const timer = setTimeout(late, timeoutMs);
    options.signal?.addEventListener("abort", onAbort, { once: true });
    const finish = (settle: () => void): void => {
      clearTimeout(timer);
      clearTimeout(grace);
      options.signal?.removeEventListener("abort", onAbort);
      settle();
    };

    child.on("error", (error: NodeJS.ErrnoException) =>
      finish(() => reject(error.code === "ENOENT" ? missingCommand(command, command) : error)),
    );
    child.on("close", (exitCode, killedBy) =>
      finish(() => {
        if (verdict !== undefined) reject(verdict);
        else resolve({ exitCode: exitCode ?? 128, ...output, stderr: output.stderr || (killedBy ?? "") });
      }),
    );
  });
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
