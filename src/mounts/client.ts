/** The client side of running mounts: start one, list them, stop one. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { type ErrorBody, errorFromBody, UserError } from "../base/errors.js";
import { isAlive } from "../linux/proc/proc.js";
import { ProcessProgress } from "../linux/proc/threads.js";
import { nodeArguments, nodeEnvironment, SMALL_HEAPS } from "../linux/process/nodeEnvironment.js";
import { HOLDER_PROGRAM } from "../linux/process/programs.js";
import { callControl } from "./control.js";
import { closeDeadlineMs } from "./deadlines.js";
import { removeStaleSocket } from "./mountName.js";
import { readMountRecord } from "./mountRecord.js";
import type { MountOptions } from "./options.js";
import { isEnded, standingStill, withoutAnswer } from "./silent.js";
import { diskPaths, idOfFuse, idPaths, stateDirectory } from "./stateDirectory.js";
import type { MountStatus } from "./status.js";

const PASSED_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const STATUS_TIMEOUT_MS = 5_000;
const STOP_POLL_MS = 5;
/** Long, as a pool on a slow disk is read completely. */
const RESTART_TIMEOUT_MS = 300_000;
/** More than the holder's limit for its server. */
const STOP_SLACK_MS = 10_000;

/** Starts a holder in the background; resolves when the mount is ready. @throws UserError */
export async function startMount(options: MountOptions): Promise<MountStatus> {
  const child = spawn(process.execPath, [SMALL_HEAPS, ...nodeArguments(HOLDER_PROGRAM), JSON.stringify(options)], {
    cwd: "/",
    detached: true,
    stdio: ["ignore", "ignore", "ignore", "pipe"],
    env: nodeEnvironment(),
  });
  // The holder is in a session of its own: a Ctrl-C here must be told to it, and undoes the mount.
  const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
  for (const signal of PASSED_SIGNALS) process.on(signal, pass);
  const failed = once(child, "error").then(([error]) => Promise.reject(error));
  const answer = await Promise.race([text(child.stdio[3] as Readable), failed]).finally(() => {
    for (const signal of PASSED_SIGNALS) process.off(signal, pass);
  });
  child.unref();
  if (answer === "") {
    throw new UserError(`mount ${options.mountpoint}`, "the holder died before the mount was ready", {
      cure: "kmemfs mount -f --debug",
    });
  }
  const message = JSON.parse(answer) as { status: MountStatus } | { error: ErrorBody };
  if ("error" in message) throw errorFromBody(message.error);
  return message.status;
}

/**
 * Asks all running mounts of this user. Sockets without a listener are removed.
 * @returns an answer for each socket, as soon as it is there; null for no mount.
 *   One rejects with `SilentHolder`, at once where the holder stands still.
 */
export function askMounts(): Promise<MountStatus | null>[] {
  const directory = stateDirectory();
  try {
    const names = readdirSync(directory).filter((name) => name.endsWith(".sock"));
    return names.map((name) => statusAt(join(directory, name)));
  } catch {
    return [];
  }
}

/**
 * All running mounts of this user that answer.
 * @param onSilent told of each holder that does not answer
 */
export async function listMounts(onSilent: (error: Error) => void = () => {}): Promise<MountStatus[]> {
  const silent = (error: Error): null => {
    onSilent(error);
    return null;
  };
  const found = await Promise.all(askMounts().map((answer) => answer.catch(silent)));
  return found.filter((status) => status !== null).sort(byMountpoint);
}

export function byMountpoint(a: MountStatus, b: MountStatus): number {
  return a.mountpoint < b.mountpoint ? -1 : 1;
}

/**
 * The mount that the user calls `mountpoint`, or whose FUSE directory that is. Asks no other.
 * @throws SilentHolder
 */
export async function findMount(mountpoint: string): Promise<MountStatus | null> {
  return statusAt(idPaths(idOfFuse(mountpoint)).socket);
}

/**
 * Ends a mount and waits until its processes are gone.
 * @throws UserError while it is in use and `force` is false, or when the deadline passes
 */
export async function stopMount(status: MountStatus, options: { readonly force: boolean }): Promise<void> {
  const deadlineMs = closeDeadlineMs(status.pool.durable, options.force) + STOP_SLACK_MS;
  await callControl(diskPaths(status.mountpoint).socket, "POST", options.force ? "/stop?force" : "/stop", deadlineMs);
  let deadline = Date.now() + deadlineMs;
  const progress = new ProcessProgress(status.serverPid ?? status.holderPid);
  while (isAlive(status.holderPid)) {
    if (progress.hasMoved() && !options.force) deadline = Math.max(deadline, Date.now() + STOP_SLACK_MS);
    if (Date.now() > deadline) {
      throw new UserError(`unmount ${status.mountpoint}`, `process ${status.holderPid} does not exit`, {
        code: "ETIMEDOUT",
        cure: `kmemfs unmount --force ${status.mountpoint}`,
      });
    }
    await sleep(STOP_POLL_MS);
  }
}

/** Replaces a mount's server. @returns the time without a server, ms. @throws UserError; the old one keeps serving */
export async function restartServer(status: MountStatus): Promise<number> {
  const answer = await callControl(diskPaths(status.mountpoint).socket, "POST", "/restart", RESTART_TIMEOUT_MS);
  return (answer as { pauseMs: number }).pauseMs;
}

/** Has the pool served again of a mount that was given up; nothing may lie on it any more. @throws UserError */
export async function bringBackMount(status: MountStatus): Promise<MountStatus> {
  const answer = await callControl(diskPaths(status.mountpoint).socket, "POST", "/back", RESTART_TIMEOUT_MS);
  return answer as MountStatus;
}

async function statusAt(path: string): Promise<MountStatus | null> {
  const id = basename(path, ".sock");
  const record = readMountRecord(id);
  const still = standingStill(record);
  if (still !== null) throw still;
  if (isEnded(record)) return null;
  try {
    return (await callControl(path, "GET", "/status", STATUS_TIMEOUT_MS)) as MountStatus;
  } catch (error) {
    const code = error instanceof UserError ? error.options.code : (error as NodeJS.ErrnoException).code;
    if (code === "ECONNREFUSED") removeStaleSocket(path);
    if (code === "ECONNREFUSED" || code === "ENOENT" || code === "ECONNRESET") return null;
    if (code === "ETIMEDOUT") throw withoutAnswer(readMountRecord(id), path);
    throw error;
  }
}
