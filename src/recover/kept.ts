/**
 * Disks whose servers were given up while their holder keeps the pool: what lies on the dead mount is cleared
 * like that of any dead disk, but the name, the record and the pool are the holder's.
 */
import { dirname } from "node:path";
import { UserError } from "../base/errors.js";
import { allOrNothing } from "../disk/rollback.js";
import { bringBackMount, findMount, listMounts } from "../mounts/client.js";
import type { MountStatus } from "../mounts/status.js";
import { mountOfUp } from "./bringBack.js";
import type { DeadDisk } from "./deadDisk.js";
import { type Findings, lookAgain } from "./find.js";

export interface Kept {
  readonly status: MountStatus;
  /** null when nothing was on it: its dead mount is gone then. */
  readonly deadDisk: DeadDisk | null;
}

export async function findKept(found: Findings): Promise<Kept[]> {
  const mounts = await listMounts();
  // A holder of an older version does not say.
  return mounts.filter(({ givenUp }) => (givenUp ?? null) !== null).map((status) => keptOf(status, found));
}

function keptOf(status: MountStatus, { taken }: Findings): Kept {
  return { status, deadDisk: taken.find((deadDisk) => isOf(deadDisk, status)) ?? null };
}

export function isOf({ dead }: DeadDisk, { file }: MountStatus): boolean {
  return dead.some(({ mountpoint }) => mountpoint === dirname(file));
}

function notGivenUp(mountpoint: string): UserError {
  const reason = "it is no longer given up: another process brought it back or discarded it";
  return new UserError(`recover ${mountpoint}`, reason, { code: "EEXIST", cure: "kmemfs status" });
}

/** Its current state, once it is its turn. @throws UserError when it is served again */
export async function lookAtKept({ status, deadDisk }: Kept, { deadDisks: dead, taken }: Findings): Promise<Kept> {
  const now = await findMount(status.mountpoint);
  if (now === null || now.givenUp === null) throw notGivenUp(status.mountpoint);
  return { status: now, deadDisk: deadDisk === null ? null : await lookAgain(deadDisk, [...dead, ...taken]) };
}

/**
 * Has it served again, and mounts what `up` had mounted. What fails after that leaves it served: its pool would be
 * gone with it.
 * @returns what was done, a line each
 * @throws UserError
 */
export async function bringKeptBack({ mountpoint }: MountStatus): Promise<string[]> {
  const before = await findMount(mountpoint);
  if (before === null) throw notGivenUp(mountpoint);
  const disk = await bringBackMount(before);
  const { kind } = disk.pool;
  const lines = await allOrNothing((undo) => mountOfUp(disk, undo));
  return [`mounted ${kind} on ${dirname(disk.file)} again, ${disk.io}`, ...lines];
}
