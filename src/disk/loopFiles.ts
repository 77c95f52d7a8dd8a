/**
 * Which loop devices are on a session's file. The kernel shows a loop device's file as a
 * path in its own namespace, and in another namespace the same path may be another file.
 * If only one file is possible the mount tables decide, otherwise the device is asked.
 */
import { dirname, join } from "node:path";
import { ECONNABORTED, ENOTCONN } from "../base/errno.js";
import { type LoopNodes, readLoopNodes } from "../linux/proc/loopDevices.js";
import { type MountEntry, mountOfPath } from "../linux/proc/mounts.js";
import type { MountNamespace } from "../linux/proc/namespaces.js";
import { btrfsDevices } from "../linux/proc/stacked.js";
import { type MountRecord, readMountRecords } from "../mounts/mountRecord.js";
import { KMEMFS_TYPES } from "../mounts/paths.js";
import { tryCalls } from "./call.js";

/** The limit of a query, which a file system that hangs would block. */
const ASK_TIMEOUT_MS = 3_000;

/** How the kernel shows the path of a disk's file whose mount is in no directory, or is a namespace's root. */
export const PATHLESS = "/disk";

/** What a session that is over, or was aborted, answers. */
const DEAD: ReadonlySet<number> = new Set([ENOTCONN, ECONNABORTED]);

/** The disk's file in a place of its mount. */
export function fileOf(mount: MountEntry): string {
  return mount.root === "/" ? join(mount.mountpoint, "disk") : mount.mountpoint;
}

/** The path of a loop device's file, also when that was deleted. */
export function backingPath(loop: Pick<LoopNodes, "backingFile">): string {
  return loop.backingFile.replace(/ \(deleted\)$/, "");
}

/** By the tables alone, at once: the loop devices whose path leads to a file of `device` in our namespace. */
export function loopsByPath(device: string, mounts: readonly MountEntry[], loops = readLoopNodes()): LoopNodes[] {
  const files = new Set(mounts.filter((mount) => mount.majorMinor === device).map(fileOf));
  return loops.filter((loop) => files.has(backingPath(loop)));
}

/**
 * Mounts of what lies on `loops`. A btrfs has a device number of its own, and the name of one of its devices;
 * of any other type the source may be a word that somebody chose.
 */
export function mountsOnLoops(loops: readonly LoopNodes[], mounts: readonly MountEntry[]): MountEntry[] {
  const nodes = loops.flatMap((loop) => loop.nodes);
  const paths = new Set(nodes.flatMap(({ path }) => [path, ...btrfsDevices(path)]));
  const numbers = new Set(nodes.map((node) => node.majorMinor));
  const isOn = ({ fsType, source }: MountEntry): boolean => fsType === "btrfs" && paths.has(source);
  return mounts.filter((mount) => numbers.has(mount.majorMinor) || isOn(mount));
}

export interface LoopsFound {
  readonly ours: LoopNodes[];
  /** May be ours: they did not say in time. */
  readonly silent: LoopNodes[];
}

/**
 * Which of `loops` are on a file of `devices`, `MAJ:MIN` each; asks for 3 s at the most.
 * @param dead the sessions of `devices` answer nobody: a device that says so is on one of them
 */
export async function loopsOfDevices(
  devices: ReadonlySet<string>,
  namespaces: readonly MountNamespace[],
  loops: readonly LoopNodes[],
  dead = false,
): Promise<LoopsFound> {
  const judged = await Promise.all(
    loops.map(async (loop): Promise<"ours" | "silent" | "other"> => {
      const means = devicesMeant(backingPath(loop), devices, namespaces);
      const isPathless = backingPath(loop) === PATHLESS;
      if (!isPathless && ![...means].some((device) => devices.has(device))) return "other";
      if (!isPathless && [...means].every((device) => devices.has(device))) return "ours";
      // A query can hang forever, so it is skipped for a device that a holder has recorded as a disk's.
      const known = recordOfLoop(loop, readMountRecords())?.seen?.device ?? null;
      if (known !== null) return devices.has(known) ? "ours" : "other";
      const on = await backingOf(loop.path, dead);
      if (on === "silent") return isPathless ? "other" : "silent";
      if (on !== "dead") return devices.has(on) ? "ours" : "other";
      // All dead sessions answer alike: without a path, only a record tells them apart.
      return !dead || isPathless || isAnothers(loop, devices, namespaces) ? "other" : "ours";
    }),
  );
  return {
    ours: loops.filter((_loop, i) => judged[i] === "ours"),
    silent: loops.filter((_loop, i) => judged[i] === "silent"),
  };
}

/**
 * What lies on a loop device is mounted in other namespaces only, and its path leads to another
 * session of kmemfs there: of two dead ones the device is then on that.
 */
export function isAnothers(
  loop: LoopNodes,
  devices: ReadonlySet<string>,
  namespaces: readonly MountNamespace[],
): boolean {
  const using = namespaces.filter(({ mounts }) => mountsOnLoops([loop], mounts).length > 0);
  if (using.some(({ isOwn }) => isOwn)) return false;
  return using.some(({ mounts }) => {
    const under = mountOfPath(backingPath(loop), mounts);
    return under !== null && KMEMFS_TYPES.has(under.fsType) && !devices.has(under.majorMinor);
  });
}

/** The record of the disk that a holder saw the loop device on; null when none did. */
export function recordOfLoop(loop: LoopNodes, records: readonly MountRecord[]): MountRecord | null {
  return records.find(({ seen }) => seen?.loops.some((one) => isSame(one, loop))) ?? null;
}

/** Without a number (before Linux 5.15) another file may have the device by now: then it is asked. */
export function isSame(seen: Pick<LoopNodes, "path" | "diskSeq">, loop: LoopNodes): boolean {
  return loop.diskSeq !== null && seen.path === loop.path && seen.diskSeq === loop.diskSeq;
}

/** The file systems that `path` may be on, over all namespaces, hidden places of `devices` among them. */
function devicesMeant(
  path: string,
  devices: ReadonlySet<string>,
  namespaces: readonly MountNamespace[],
): ReadonlySet<string> {
  const found = new Set<string>();
  for (const { mounts } of namespaces) {
    const top = mountOfPath(path, mounts);
    if (top !== null) found.add(top.majorMinor);
    for (const mount of mounts)
      if (devices.has(mount.majorMinor) && fileOf(mount) === path) found.add(mount.majorMinor);
  }
  // A directory called like a mount point, not the mount itself.
  for (const { mounts } of namespaces) {
    const at = mounts.filter((mount) => mount.mountpoint === dirname(path) || mount.mountpoint === path);
    for (const mount of at) found.add(mount.majorMinor);
  }
  return found;
}

/**
 * `MAJ:MIN` of the file system that the file of a loop device is on, as the device says; "dead" where
 * that is a session which answers nobody; "silent" where it does not say in time; "" for one that is gone.
 */
export async function backingOf(path: string, isDead: boolean): Promise<string> {
  const calls = [{ act: "loop-backing", path }] as const;
  const [outcome] = await tryCalls(path, calls, { timeoutMs: ASK_TIMEOUT_MS, isDead }).catch(() => []);
  if (outcome === undefined || "error" in outcome) return "silent";
  const { value } = outcome;
  if (typeof value !== "number") return value.majorMinor;
  return DEAD.has(-value) ? "dead" : "";
}
