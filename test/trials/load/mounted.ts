/**
 * A mount for a trial. The holder is started as the command line does it, but
 * without the process of the command line: a trial mounts thousands of times.
 */
import { existsSync, readFileSync } from "node:fs";
import { startMount } from "../../../src/mounts/client.js";
import type { MountOptions } from "../../../src/mounts/options.js";
import type { Place } from "../../support/place.js";
import { run } from "../../support/processes.js";
import { pause, within } from "./within.js";

export interface Mounted {
  readonly file: string;
  readonly io: "served" | "direct";
  readonly serverPid: number;
  readonly holderPid: number;
}

const MOUNT_MS = 120_000;

/** @param more options that differ from those of a trial's mount @throws UserError with what kmemfs says when it refuses */
export async function mountPool(
  pool: string,
  directory: string,
  io: "served" | "direct" | "auto",
  more: Partial<MountOptions> = {},
): Promise<Mounted> {
  const options: MountOptions = {
    pool: { kind: "path", path: pool },
    mountpoint: directory,
    fuseDirectory: directory,
    create: false,
    readOnly: false,
    io,
    atomicWrites: false,
    durable: false,
    workers: 2,
    restarts: 0,
    spare: false,
    watchdogSeconds: 0,
    allowOther: false,
    debug: true,
    foreground: false,
    ...more,
  };
  const status = await within(MOUNT_MS, `${pool} to be mounted`, startMount(options));
  const { file, serverPid, holderPid } = status;
  if (serverPid === null) throw new Error(`${pool} is mounted without a server`);
  return { file, io: status.io, serverPid, holderPid };
}

/** Resolves when the mount's holder and its server are gone. */
export async function unmounted({ serverPid, holderPid }: Mounted): Promise<void> {
  const endMs = performance.now() + MOUNT_MS;
  while (existsSync(`/proc/${holderPid}`) || existsSync(`/proc/${serverPid}`)) {
    if (performance.now() > endMs) throw new Error(`holder ${holderPid} or server ${serverPid} does not exit`);
    await pause(2);
  }
}

/** All bytes of the disk, read by a process of its own. */
export async function readDisk(place: Place, file: string, name: string): Promise<Uint8Array> {
  const copy = place.path(name);
  await run("dd", [`if=${file}`, `of=${copy}`, "bs=1M", "status=none"], { timeoutMs: 60_000, cwd: "/" });
  return readFileSync(copy);
}
