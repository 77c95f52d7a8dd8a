/**
 * Clears a dead disk in steps, each announced before it is done and each with a time
 * limit. A failed step ends the work on the disk; the next run finds what is left.
 */
import { existsSync, rmdirSync, rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { errorFromBody, UserError } from "../base/errors.js";
import { makeCalls, tryCalls } from "../disk/call.js";
import type { Call } from "../disk/kernelCalls.js";
import { isAttached, withPartitions } from "../disk/loop.js";
import { describeUsers } from "../disk/users.js";
import { livenessOf } from "../linux/mount/liveness.js";
import { isMounted } from "../linux/mount/mountHandle.js";
import type { LoopNodes } from "../linux/proc/loopDevices.js";
import { type MountEntry, readMounts } from "../linux/proc/mounts.js";
import { type MountUser, usersOfDevice, usersOfMount } from "../linux/proc/mountUsers.js";
import { runOk } from "../linux/process/command.js";
import { lockName } from "../linux/process/nameLock.js";
import { idOf } from "../mounts/mountRecord.js";
import { quote } from "../mounts/paths.js";
import { idPaths, removePrivateDirectory, stateDirectory } from "../mounts/stateDirectory.js";
import type { DeadDisk } from "./deadDisk.js";

/** Reading swapped-out pages back from a dead device fails fast; other pages take their time. */
const SWAPOFF_TIMEOUT_MS = 120_000;
const UNMOUNT_TIMEOUT_MS = 60_000;
const DETACH_TIMEOUT_MS = 30_000;
/** The kernel clears a loop device after its last user has closed it. */
const GONE_DEADLINE_MS = 2_000;
const POLL_MS = 20;

export interface Step {
  /** What is going to be done. */
  readonly plan: string;
  /** Returns what was done, one line. @throws UserError */
  act(): Promise<string>;
}

/** The users of each part, as far as this user can see. */
export interface Users {
  ofMount(mount: MountEntry): readonly MountUser[];
  ofDevice(path: string): readonly MountUser[];
}

const seenUsers: Users = {
  ofMount: (mount) => usersOfMount(mount.majorMinor),
  ofDevice: (path) => withPartitions(path).flatMap(usersOfDevice),
};

/** `, used by bash (pid 12, /mnt/x)` with `how` before it, or nothing. */
function usedBy(how: string, holders: readonly MountUser[]): string {
  return holders.length === 0 ? "" : `${how}in use by ${describeUsers(holders)}`;
}

/** The steps in the safe order. */
export function stepsOf(deadDisk: DeadDisk, users: Users = seenUsers): Step[] {
  return [...clearingSteps(deadDisk, users), forget(deadDisk)];
}

/** The same for a disk whose holder lives, and keeps what it has in the state directory. */
export function clearingSteps(deadDisk: DeadDisk, users: Users = seenUsers): Step[] {
  return [
    ...deadDisk.swapAreas.map(swapoff),
    ...deadDisk.fileSystems.map((mount) => unmount(mount, deadDisk, users)),
    ...deadDisk.loops.map((loop) => detach(loop, users)),
    // What was bound elsewhere first.
    ...deadDisk.dead.toReversed().map((mount) => unmount(mount, deadDisk, users)),
  ];
}

function swapoff(area: string): Step {
  return {
    plan: `swapoff ${area}`,
    act: async () => {
      await runOk(`swapoff ${area}`, "swapoff", [area], { timeoutMs: SWAPOFF_TIMEOUT_MS });
      return `swapoff ${area}`;
    },
  };
}

function unmount(mount: MountEntry, { bound, dead }: DeadDisk, users: Users): Step {
  const { mountpoint, fsType, source } = mount;
  const isFuse = fsType.startsWith("fuse");
  const name = isFuse ? `the dead mount ${mountpoint}` : `${mountpoint} (${fsType} on ${source})`;
  const what = `unmount ${mountpoint}`;
  return {
    plan: `unmount ${name}${usedBy(", lazily if still ", users.ofMount(mount))}`,
    act: async () => {
      if (!isMounted(mount)) return `${mountpoint} is unmounted already`;
      await keepPeers(mount, bound);
      // The name lock of another user's mount does not exclude root, so it may be alive again.
      if (dead.includes(mount) && (await livenessOf(mount)) !== "dead") {
        throw new UserError(what, "it is no longer dead", { cure: "kmemfs recover --dry-run" });
      }
      // A call that does not end in time counts as busy. On a frozen file system it would wait forever.
      const calls = [{ act: "thaw", mount } as const, { act: "unmount", mount } as const];
      const wrong = await attempt(what, isFuse ? calls.slice(1) : calls);
      if (wrong === null) return `unmounted ${name}`;
      const inside = readMounts().find((other) => other.parentId === mount.mountId);
      if (inside !== undefined) {
        throw new UserError(what, `${inside.mountpoint} is mounted inside`, { code: "EBUSY" });
      }
      const by = usedBy("still ", users.ofMount(mount)) || wrong.reason;
      if (!isMounted(mount)) return `unmounted ${name}`;
      const detached = await attempt(what, [{ act: "detach", mount, withInside: false }]);
      if (detached === null) return `detached ${name} lazily: ${by}`;
      // e.g. where a user's mount is bound to a place that the user may not see.
      throw new UserError(what, detached.reason, { cure: `umount -l ${quote(mountpoint)}`, ...detached.options });
    },
  };
}

/** @returns what went wrong, or null. @throws UserError when something lies over a mount: it must be told */
async function attempt(what: string, calls: readonly Call[]): Promise<UserError | null> {
  try {
    const outcomes = await tryCalls(what, calls, { timeoutMs: UNMOUNT_TIMEOUT_MS });
    const last = outcomes.at(-1);
    return last === undefined || !("error" in last) ? null : errorFromBody(last.error);
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
}

/**
 * What is unmounted inside a shared mount is unmounted inside all its peers too: of a
 * /dev bound with `--rbind`, the machine's /dev/pts. So the one on the disk is made
 * private. The peers of the disk's own file systems are dead as they are.
 */
async function keepPeers(mount: MountEntry, bound: readonly MountEntry[]): Promise<void> {
  const around = bound.find((other) => other.mountId === mount.parentId);
  if (around === undefined) return;
  const what = `make ${around.mountpoint} private`;
  await makeCalls(what, [{ act: "private", mount: around, withInside: false }], { timeoutMs: UNMOUNT_TIMEOUT_MS });
}

/** Takes a loop device off its file; what it holds goes with its last user. */
export function detach(loop: LoopNodes, users: Users = seenUsers): Step {
  const { path: device, diskSeq } = loop;
  return {
    plan: `detach ${device}${usedBy(", ", users.ofDevice(device))}`,
    act: async () => {
      if (!isAttached(loop)) return `${device} is detached already`;
      const call: Call = { act: "loop-detach", path: device, diskSeq };
      await makeCalls(`losetup -d ${device}`, [call], { timeoutMs: DETACH_TIMEOUT_MS });
      const deadline = Date.now() + GONE_DEADLINE_MS;
      while (isAttached(loop)) {
        const by = usedBy(", ", users.ofDevice(device));
        if (Date.now() > deadline) return `${device} will be detached when its last user closes it${by}`;
        await sleep(POLL_MS);
      }
      return `detached ${device}`;
    },
  };
}

function forget({ dead }: DeadDisk): Step {
  return {
    plan: "remove its files from the state directory",
    act: async () => {
      // Its name is ours, `withNameLock`.
      removeFiles(idOf(dead[0]));
      for (const mount of dead) removePrivateDirectory(mount.mountpoint);
      return "removed its files from the state directory";
    },
  };
}

/** Removes what a disk that is gone left in the state directory. @param ids as `Findings.forgotten` */
export function forgetStep(ids: readonly string[]): Step {
  return {
    plan: `remove the files of mounts that are gone (${ids.length}) from the state directory`,
    act: async () => {
      for (const id of ids) removeIdFiles(id);
      return `removed the files of mounts that are gone (${ids.length})`;
    },
  };
}

/** Holds the name, so that no mount of it starts meanwhile; a process that already holds it keeps its files. */
function removeIdFiles(id: string): void {
  if (!existsSync(stateDirectory())) return;
  const name = lockName(idPaths(id).lock);
  if (name === null) return;
  removeFiles(id);
  name.release();
}

function removeFiles(id: string): void {
  const { socket, record, clearing, directory } = idPaths(id);
  for (const path of [socket, record, `${record}.new`, clearing]) rmSync(path, { force: true });
  try {
    rmdirSync(directory);
  } catch {
    // There is none, or a mount that was detached lazily is still in use: the next `up` takes it as it is.
  }
}
