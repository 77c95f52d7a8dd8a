/** The ways of stopping a disk that is in use. */
import { existsSync } from "node:fs";
import type { Background } from "../../support/processes.js";
import { kmemfs } from "../failover/kmemfs.js";
import { pause } from "../load/within.js";

/** What is to be stopped, and who uses it. */
export interface Scene {
  /** The name that the user calls it by. */
  readonly mountpoint: string;
  readonly holderPid: number;
  /** fio, at work. */
  readonly load: Background;
}

export interface StopWay {
  readonly name: string;
  /** The disk was made by `up`, and its file system is what is in use; otherwise the file `disk` is. */
  readonly onFileSystem: boolean;
  /** Whoever uses it gets errors. */
  readonly isForced: boolean;
  /** Returns when the holder is gone, or throws. */
  stop(scene: Scene): Promise<void>;
}

/** Whoever stops a disk waits no longer. */
export const STOP_MS = 30_000;
const EBUSY_STATUS = 1;
/** What fio ends with when it is told to. */
const FIO_STOPPED = 128;

export async function untilGone(pid: number): Promise<void> {
  const endMs = performance.now() + STOP_MS;
  while (existsSync(`/proc/${pid}`)) {
    if (performance.now() > endMs) throw new Error(`holder ${pid} is there after ${STOP_MS} ms`);
    await pause(5);
  }
}

const bySignal =
  (signal: NodeJS.Signals) =>
  ({ holderPid }: Scene): Promise<void> => {
    process.kill(holderPid, signal);
    return untilGone(holderPid);
  };

/** Refused with the name of who uses it as long as somebody does, and then done at once. */
const byCommand =
  (command: "unmount" | "down") =>
  async ({ mountpoint, holderPid, load }: Scene): Promise<void> => {
    const { status, stderr } = await kmemfs([command, mountpoint], { allowFail: true, timeoutMs: STOP_MS });
    if (status !== EBUSY_STATUS || !stderr.includes("fio")) {
      throw new Error(`${command} under load ends with ${status}: ${stderr.trim()}`);
    }
    if (!existsSync(`/proc/${holderPid}`)) throw new Error(`${command} was refused, and the holder is gone`);
    const loadStatus = await load.stop();
    const said = `${load.stdout()}${load.stderr()}`;
    if (![0, FIO_STOPPED].includes(loadStatus) || /err=\s*[1-9]/.test(said)) {
      throw new Error(`fio ends with ${loadStatus}: ${said.trim().slice(-500)}`);
    }
    await kmemfs([command, mountpoint], { timeoutMs: STOP_MS });
    await untilGone(holderPid);
  };

async function byForce({ mountpoint, holderPid }: Scene): Promise<void> {
  await kmemfs(["unmount", "--force", mountpoint], { timeoutMs: STOP_MS });
  await untilGone(holderPid);
}

export const STOP_WAYS: readonly StopWay[] = [
  { name: "SIGTERM", onFileSystem: false, isForced: true, stop: bySignal("SIGTERM") },
  { name: "SIGINT", onFileSystem: false, isForced: true, stop: bySignal("SIGINT") },
  { name: "unmount", onFileSystem: false, isForced: false, stop: byCommand("unmount") },
  { name: "unmount --force", onFileSystem: false, isForced: true, stop: byForce },
  { name: "down", onFileSystem: true, isForced: false, stop: byCommand("down") },
  { name: "SIGTERM, file system", onFileSystem: true, isForced: true, stop: bySignal("SIGTERM") },
];
