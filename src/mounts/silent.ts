/** Holders that do not answer, and what is known of them otherwise. */
import { UserError } from "../base/errors.js";
import { hasEnded } from "../linux/proc/proc.js";
import { type Standstill, standstillOf, startTicksOf } from "../linux/proc/standstill.js";
import { isNameOfEnded } from "../linux/process/nameLock.js";
import type { MountRecord } from "./mountRecord.js";
import { diskPaths } from "./stateDirectory.js";
import type { SilentMount } from "./status.js";

/** A mount whose holder does not answer; other mounts must not wait for it. */
export class SilentHolder extends UserError {
  constructor(
    /** The user's name for the disk, or the socket if that is not recorded. */
    what: string,
    readonly silent: SilentMount,
    cure?: string,
  ) {
    const holder = silent.holderPid === null ? "its holder" : `its holder, process ${silent.holderPid},`;
    super(what, `${holder} ${WORDS[silent.state]}`, {
      // What stands still goes on where it was.
      code: silent.state === "silent" ? "ETIMEDOUT" : "EAGAIN",
      ...(cure === undefined ? {} : { cure }),
    });
  }
}

const WORDS: Readonly<Record<SilentMount["state"], string>> = {
  stopped: "is stopped",
  frozen: "is frozen with its cgroup",
  silent: "does not answer",
};

/** The holder of `record` when it stands still: it is not to be asked, as it could not answer. */
export function standingStill(record: MountRecord | null): SilentHolder | null {
  const { holder, mountpoint } = record ?? {};
  if (holder === undefined || mountpoint === undefined) return null;
  // Dead, and its number another's by now; or seen from another pid namespace.
  if (startTicksOf(holder.pid) !== holder.startTicks) return null;
  const standstill = standstillOf(holder.pid);
  if (standstill === null) return null;
  const silent = { mountpoint, holderPid: holder.pid, state: standstill.state };
  return new SilentHolder(mountpoint, silent, cureOf(standstill, holder.pid));
}

/**
 * True when a holder has ended but the kernel cannot remove it: its socket accepts requests but
 * never answers. `findOrphans` reports what such a disk still holds.
 */
export function isEnded(record: MountRecord | null): boolean {
  if (record === null) return false;
  const { holder, mountpoint } = record;
  // It is that process still; one that has ended may be there, as the kernel cannot clear it away.
  if (holder !== undefined && startTicksOf(holder.pid) === holder.startTicks) return hasEnded(holder.pid);
  return isNameOfEnded(diskPaths(mountpoint).lock);
}

/** A holder that did not answer. @param socket names it if there is no record */
export function withoutAnswer(record: MountRecord | null, socket: string): SilentHolder {
  const still = standingStill(record);
  if (still !== null) return still;
  const mountpoint = record?.mountpoint ?? null;
  const holderPid = record?.holder?.pid ?? null;
  return new SilentHolder(mountpoint ?? socket, { mountpoint, holderPid, state: "silent" });
}

function cureOf(standstill: Standstill, pid: number): string {
  if (standstill.state === "stopped") return `kill -CONT ${pid}`;
  const { thaw } = standstill;
  const how = thaw === null ? "thaw its cgroup" : `echo ${thaw.word} >${thaw.file}`;
  return `${how}; for a container: docker unpause`;
}
