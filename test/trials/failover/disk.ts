/** A mounted disk whose servers are killed: who serves it now, and when the next one does. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { findMount, restartServer } from "../../../src/mounts/client.js";
import type { MountStatus } from "../../../src/mounts/status.js";
import { abortConnection, snapshot } from "../../support/machine.js";
import type { Place } from "../../support/place.js";
import { pause } from "../load/within.js";
import { kmemfs } from "./kmemfs.js";

/** Deaths within a minute that a trial may bring about. */
const MOST_RESTARTS = 100_000;
/** Each look is a request to the holder, which has a server to start. */
const POLL_MS = 10;
/** What still waits for a server by then, when a trial cleans up, will wait for ever. */
const RESCUE_MS = 30_000;

export interface DiskWishes {
  /** Absent: a private tmpfs. */
  readonly pool?: string | undefined;
  readonly name: string;
  readonly io: "served" | "direct";
  /** A second server stands by. */
  readonly spare: boolean;
  readonly args?: readonly string[];
}

export interface ServingStatus extends MountStatus {
  readonly serverPid: number;
}

export class FailoverDisk {
  readonly file: string;

  private constructor(
    readonly directory: string,
    readonly holderPid: number,
    /** Another server stands by, or will soon. */
    readonly hasSpare: boolean,
  ) {
    this.file = join(directory, "disk");
  }

  static async mount(place: Place, { pool, name, io, spare, args = [] }: DiskWishes): Promise<FailoverDisk> {
    const directory = place.makeDirectory(name);
    place.endsWithUs(directory);
    const operands = pool === undefined ? [directory] : [pool, directory];
    const standby = spare ? [] : ["--no-spare"];
    await kmemfs(["mount", ...operands, "--io", io, "--restarts", String(MOST_RESTARTS), ...standby, ...args]);
    const status = await statusOf(directory);
    if (status.io !== io) throw new Error(`${directory} is mounted ${status.io}: ${status.ioReason}`);
    return new FailoverDisk(directory, status.holderPid, spare);
  }

  status(): Promise<MountStatus> {
    return statusOf(this.directory);
  }

  /** The processes of servers, the spare among them, in the order of their start. */
  processes(): number[] {
    return childrenOf(this.holderPid).filter(isRunning);
  }

  /**
   * @param besides those that were killed, even if the holder does not know it yet
   * @returns the status, once a server serves. @throws Error when there is none after `timeoutMs`
   */
  async untilServing(timeoutMs: number, besides: ReadonlySet<number> = new Set()): Promise<ServingStatus> {
    const endMs = performance.now() + timeoutMs;
    for (;;) {
      const status = await this.status();
      const { serverPid, lastDeath } = status;
      if (serverPid !== null && !besides.has(serverPid) && isRunning(serverPid)) return { ...status, serverPid };
      if (performance.now() > endMs) throw new Error(`no server for ${timeoutMs} ms; the last one ${lastDeath}`);
      await pause(POLL_MS);
    }
  }

  /** @returns the pid of the oldest server that is none of `killed`, as soon as there is one; it may be starting */
  async untilAnother(killed: ReadonlySet<number>, timeoutMs: number): Promise<number> {
    const endMs = performance.now() + timeoutMs;
    for (;;) {
      const found = this.processes().find((child) => !killed.has(child));
      if (found !== undefined) return found;
      if (performance.now() > endMs) throw new Error(`no other server within ${timeoutMs} ms`);
      await pause(1);
    }
  }

  /** Has the server replaced in order, as `kmemfs restart` does it. */
  async replace(): Promise<void> {
    await restartServer(await this.status());
  }

  /** To be pushed last: a session in which something hangs is ended, so that the rest can be cleaned up. */
  rescueIn(place: Place): void {
    place.cleanup.add(`the session on ${this.directory}`, () => {
      const mount = snapshot().mounts.find((one) => one.mountpoint === this.directory);
      if (mount === undefined) return;
      const { minor } = mount;
      setTimeout(() => {
        const isThere = snapshot().mounts.some((one) => one.mountpoint === this.directory && one.minor === minor);
        if (isThere) abortConnection(minor);
      }, RESCUE_MS).unref();
    });
  }
}

async function statusOf(directory: string): Promise<MountStatus> {
  const status = await findMount(directory);
  if (status === null) throw new Error(`${directory}: its holder is gone`);
  return status;
}

/** The children of a process's main thread, in the order of their start. */
function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** False for one that is gone, or dead and not waited for yet. */
export function isRunning(pid: number): boolean {
  try {
    const state = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").pop()?.[0];
    return state !== "Z" && state !== "X";
  } catch {
    return false;
  }
}
