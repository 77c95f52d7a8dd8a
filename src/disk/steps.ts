/**
 * The one way out of a disk, in steps: swap, file systems, loop devices, then the mount. Each has a time limit, and
 * one that fails ends it: what was not reached is still where the next run finds it.
 */
import { existsSync, rmSync } from "node:fs";
import { errorFromBody, UserError } from "../base/errors.js";
import { livenessOf } from "../linux/mount/liveness.js";
import { isMounted } from "../linux/mount/mountHandle.js";
import type { LoopNodes } from "../linux/proc/loopDevices.js";
import { type MountEntry, readMounts } from "../linux/proc/mounts.js";
import { type MountUser, usersOfDevice, usersOfMount } from "../linux/proc/mountUsers.js";
import { runOk } from "../linux/process/command.js";
import { isNameOfEnded, lockName } from "../linux/process/nameLock.js";
import { KMEMFS_TYPES, quote } from "../mounts/paths.js";
import { idPaths, removePrivateDirectory, stateDirectory } from "../mounts/stateDirectory.js";
import { type AwaitedSession, makeCalls, tryCalls } from "./call.js";
import { mountFileSystem } from "./fileSystems.js";
import type { Call } from "./kernelCalls.js";
import { detachLoop, isAttached, letGoOfLoop } from "./loop.js";
import { busy, describeUsers } from "./users.js";

/** Reading back what was swapped out to a dead device fails fast; what is there takes its time. */
const SWAPOFF_TIMEOUT_MS = 120_000;
const UNMOUNT_TIMEOUT_MS = 60_000;
/** Unmounting writes out what is dirty, perhaps to a slow disk. */
const FLUSH_TIMEOUT_MS = 300_000;

export interface Step {
  /** What is going to be done. */
  readonly plan: string;
  /** Returns what was done, one line. @throws UserError */
  act(): Promise<string>;
  /** Absent where nothing undoes it. */
  readonly undo?: { readonly name: string; act(): Promise<void> };
}

/** What is left of a disk. */
export interface Remains {
  readonly swapAreas: readonly string[];
  /** What is mounted from the loop devices, and inside that; in the order to unmount. */
  readonly fileSystems: readonly MountEntry[];
  /** Those of `fileSystems` that are mounted elsewhere as well, where they stay. */
  readonly bound: readonly MountEntry[];
  readonly loops: readonly LoopNodes[];
  /** All places of the session; the first is where it was mounted, what was bound elsewhere follows. */
  readonly dead: readonly MountEntry[];
}

/** Who uses what, as far as this user may see. */
export interface Users {
  ofMount(mount: MountEntry): readonly MountUser[];
  ofDevice(loop: LoopNodes): readonly MountUser[];
}

const seenUsers: Users = {
  ofMount: (mount) => usersOfMount(mount.majorMinor),
  ofDevice: ({ nodes }) => nodes.flatMap((node) => usersOfDevice(node.path)),
};

/** What becomes of a thing that somebody uses. */
export type Manner =
  /** It is detached, and ends with its last user; who that is is told. */
  { readonly kind: "lazily"; readonly users: Users } | InOrder;

interface InOrder {
  /** It stays; or it is detached at once, and no server is waited for. */
  readonly kind: "in order" | "at once";
  /** What fails, e.g. `down /mnt/x`. */
  readonly what: string;
  /** What its users are to do; without it they are not looked for. */
  readonly cure?: string;
  /** As in `CallOptions`. */
  readonly waitsFor?: AwaitedSession | undefined;
}

export const LAZILY: Manner = { kind: "lazily", users: seenUsers };

/** The steps in the safe order. */
export function stepsOf(remains: Partial<Remains>, manner: Manner): Step[] {
  const { swapAreas = [], fileSystems = [], bound = [], loops = [], dead = [] } = remains;
  return [
    ...swapAreas.map(swapoff),
    ...fileSystems.map((mount) => unmount(mount, { bound, dead }, manner)),
    ...loops.map((loop) => detach(loop, manner)),
    // What was bound elsewhere first.
    ...dead.toReversed().map((mount) => unmount(mount, { bound, dead }, manner)),
  ];
}

function swapoff(area: string): Step {
  const plan = `swapoff ${area}`;
  return { plan, act: () => runOk(plan, "swapoff", [area], { timeoutMs: SWAPOFF_TIMEOUT_MS }).then(() => plan) };
}

/** `, used by bash (pid 12, /mnt/x)` with `how` before it, or nothing. */
function usedBy(how: string, holders: readonly MountUser[]): string {
  return holders.length === 0 ? "" : `${how}in use by ${describeUsers(holders)}`;
}

type Around = Pick<Remains, "bound" | "dead">;

function unmount(mount: MountEntry, around: Around, manner: Manner): Step {
  const { mountpoint, fsType, source } = mount;
  if (manner.kind === "lazily") {
    const name = isDiskItself(mount) ? `the dead mount ${mountpoint}` : `${mountpoint} (${fsType} on ${source})`;
    return {
      plan: `unmount ${name}${usedBy(", lazily if still ", manner.users.ofMount(mount))}`,
      act: () => unmountLazily(mount, name, around, manner.users),
    };
  }
  return {
    plan: `unmount ${mountpoint}`,
    act: async () => {
      await unmountInOrder(mount, manner);
      return `unmounted ${mountpoint}`;
    },
    undo: {
      name: `mount ${mountpoint} again`,
      act: async () => {
        if (mount.root !== "/") throw new Error("bind mounts and subvolumes are not mounted again");
        await mountFileSystem(fsType, source, mountpoint, [mount.options]);
      },
    },
  };
}

function isDiskItself({ fsType }: MountEntry): boolean {
  return KMEMFS_TYPES.has(fsType);
}

/** A frozen file system is thawed first: what waits for it would wait for ever, and nobody could thaw it later. */
function unmounting(mount: MountEntry): Call[] {
  const calls: Call[] = [
    { act: "thaw", mount },
    { act: "unmount", mount },
  ];
  return isDiskItself(mount) ? calls.slice(1) : calls;
}

function detaching(mount: MountEntry): Call[] {
  return [{ act: "detach", mount, withInside: false }];
}

async function unmountInOrder(mount: MountEntry, { kind, what, cure, waitsFor }: InOrder): Promise<void> {
  const calls = kind === "at once" ? detaching(mount) : unmounting(mount);
  const timeoutMs = isDiskItself(mount) ? UNMOUNT_TIMEOUT_MS : FLUSH_TIMEOUT_MS;
  try {
    await makeCalls(what, calls, { timeoutMs, waitsFor });
  } catch (error) {
    const users = cure === undefined ? [] : usersOfMount(mount.majorMinor);
    if (cure === undefined || users.length === 0) throw error;
    throw busy(what, [`${mount.mountpoint} is in use by ${describeUsers(users)}`], cure);
  }
}

/** @returns what was done, one line */
async function unmountLazily(mount: MountEntry, name: string, { bound, dead }: Around, users: Users): Promise<string> {
  const { mountpoint } = mount;
  const what = `unmount ${mountpoint}`;
  if (!isMounted(mount)) return `${mountpoint} is unmounted already`;
  await keepPeers(mount, bound);
  // The name's lock of another user keeps nobody away from us.
  if (dead.includes(mount) && (await livenessOf(mount)) !== "dead") {
    throw new UserError(what, "it is no longer dead", { cure: "kmemfs recover --dry-run" });
  }
  // What does not end in time is as good as busy.
  const wrong = await attempt(what, unmounting(mount));
  if (wrong === null) return `unmounted ${name}`;
  const inside = readMounts().find((other) => other.parentId === mount.mountId);
  if (inside !== undefined) throw new UserError(what, `${inside.mountpoint} is mounted inside`, { code: "EBUSY" });
  const by = usedBy("still ", users.ofMount(mount)) || wrong.reason;
  if (!isMounted(mount)) return `unmounted ${name}`;
  const detached = await attempt(what, detaching(mount));
  if (detached === null) return `detached ${name} lazily: ${by}`;
  // e.g. where a user's mount is bound to a place that the user may not see.
  throw new UserError(what, detached.reason, { cure: `umount -l ${quote(mountpoint)}`, ...detached.options });
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
function detach(loop: LoopNodes, manner: Manner): Step {
  const { path } = loop;
  if (manner.kind !== "lazily") {
    const { what, waitsFor } = manner;
    return { plan: `detach ${path}`, act: () => detachLoop(what, loop, waitsFor).then(() => `detached ${path}`) };
  }
  const by = (): string => usedBy(", ", manner.users.ofDevice(loop));
  return {
    plan: `detach ${path}${by()}`,
    act: async () => {
      if (!isAttached(loop)) return `${path} is detached already`;
      const isGone = await letGoOfLoop(`losetup -d ${path}`, loop);
      return isGone ? `detached ${path}` : `${path} will be detached when its last user closes it${by()}`;
    },
  };
}

/**
 * Removes what a disk that is gone left in the state directory, with its name taken, so that nobody starts a mount
 * of it meanwhile; whoever has the name already keeps its files.
 * @param isOurs the caller has the name
 */
export function forgetDisk(id: string, isOurs = false): void {
  if (!existsSync(stateDirectory())) return;
  const { socket, record, clearing, directory, lock } = idPaths(id);
  let name = isOurs ? null : lockName(lock);
  if (name === null && !isOurs) {
    if (!isNameOfEnded(lock)) return;
    // It may have let go by now: then a new holder could have made its socket between our look and the removal.
    name = lockName(lock);
    if (name === null && !isNameOfEnded(lock)) return;
  }
  const isTaken = isOurs || name !== null;
  try {
    for (const path of [record, `${record}.new`, ...(isTaken ? [socket, clearing] : [])]) rmSync(path, { force: true });
    removePrivateDirectory(directory);
  } finally {
    name?.release();
  }
}
