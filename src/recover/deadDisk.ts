/**
 * What is left of a disk whose processes have ended: the dead mounts of its session,
 * its loop devices, and what is mounted on them. Uses only data already read from
 * /proc and /sys.
 */
import { dirname } from "node:path";
import { elsewhere, fileSystemsElsewhere, insideOf, mountsOnLoops } from "../disk/inUse.js";
import { backingPath, fileOf } from "../disk/loopFiles.js";
import type { LoopNodes } from "../linux/proc/loopDevices.js";
import type { MountEntry } from "../linux/proc/mounts.js";
import { mountOfPath } from "../linux/proc/mounts.js";
import type { MountNamespace } from "../linux/proc/namespaces.js";
import type { MountRecord } from "../mounts/mountRecord.js";
import { diskDirectories } from "../mounts/stateDirectory.js";

/** The state of the machine as it was read. */
export interface MachineView {
  readonly mounts: readonly MountEntry[];
  readonly loops: readonly LoopNodes[];
  readonly swapAreas: readonly string[];
  /** What the mounts of this user were asked for. */
  readonly records: readonly MountRecord[];
  /** All mounts of kmemfs that are dead. */
  readonly dead: readonly MountEntry[];
  readonly namespaces: readonly MountNamespace[];
}

export interface DeadDisk {
  /** What the user calls the disk. */
  readonly mountpoint: string;
  /** All places of the dead session; the first is where it was mounted, what was bound elsewhere follows. */
  readonly dead: readonly MountEntry[];
  /** Its options; null if they were not recorded. */
  readonly record: MountRecord | null;
  /** null for a pool that is gone with its processes. */
  readonly poolPath: string | null;
  readonly loops: readonly LoopNodes[];
  /** What is mounted from the loop devices, and inside that; in the order to unmount. */
  readonly fileSystems: readonly MountEntry[];
  /** Those of `fileSystems` that are mounted elsewhere as well, where they stay. */
  readonly bound: readonly MountEntry[];
  readonly swapAreas: readonly string[];
  /** Why it cannot be cleared: live users that must not be ended. One clause each. */
  readonly blockers: readonly string[];
}

/** The dead mounts of each session, the latest session first: it may lie on an earlier one's disk. */
export function sessionsOf(dead: readonly MountEntry[]): MountEntry[][] {
  const sessions = new Map<string, MountEntry[]>();
  for (const entry of dead) sessions.set(entry.majorMinor, [...(sessions.get(entry.majorMinor) ?? []), entry]);
  return [...sessions.values()].reverse().map((session) => session.toSorted((a, b) => rank(a) - rank(b)));
}

/** A bind mount of the file `disk` comes after the directory. */
function rank(entry: MountEntry): number {
  return entry.root === "/" ? 0 : 1;
}

/** @param dead the mounts of one session, as `sessionsOf` has them; not empty */
export function deadDiskOf(dead: readonly MountEntry[], facts: MachineView): DeadDisk {
  const files = new Set(dead.map(fileOf));
  const loops = facts.loops.filter((loop) => files.has(backingPath(loop)));
  const nodes = loops.flatMap((loop) => loop.nodes);
  const own = mountsOnLoops(loops, facts.mounts);
  const { bound, living } = inside(own, facts);
  const fileSystems = facts.mounts.filter((mount) => own.includes(mount) || bound.includes(mount)).reverse();
  const paths = new Set(nodes.map((node) => node.path));
  const swapAreas = facts.swapAreas.filter((area) => {
    const on = mountOfPath(area, facts.mounts);
    return paths.has(area) || (on !== null && own.includes(on));
  });
  const record = recordOf(dead, facts.records);
  return {
    mountpoint: record?.mountpoint ?? nameOf(dead[0], own),
    dead,
    record,
    poolPath: poolPathOf(dead[0], record),
    loops,
    fileSystems,
    bound,
    swapAreas,
    blockers: [
      ...living.map((mount) => `${mount.mountpoint} (${mount.fsType}) is mounted inside, and still alive`),
      ...nodes.flatMap((node) => node.partOf.map((other) => `${node.path} is part of ${other}`)),
      ...stacked(dead, loops, facts.mounts),
      ...staying(dead, loops, fileSystems, facts.namespaces),
    ],
  };
}

/** By the place, and where it was moved by the device; not the other way, as a device number comes again. */
function recordOf(dead: readonly MountEntry[], records: readonly MountRecord[]): MountRecord | null {
  const [{ majorMinor }] = dead;
  const isHere = ({ fuseDirectory }: MountRecord): boolean => dead.some((mount) => mount.mountpoint === fuseDirectory);
  return records.find(isHere) ?? records.find(({ seen }) => seen?.device === majorMinor) ?? null;
}

/** The name of a disk of `up` is its file system's mount point; its own directory is private. */
function nameOf(dead: MountEntry, own: readonly MountEntry[]): string {
  const isPrivate = dirname(dead.mountpoint) === diskDirectories();
  return (isPrivate ? own.find((mount) => mount.root === "/")?.mountpoint : undefined) ?? dead.mountpoint;
}

/** A mount's source is the pool's path, or a word. */
function poolPathOf(dead: MountEntry, record: MountRecord | null): string | null {
  if (record !== null) return record.pool.kind === "path" ? record.pool.path : null;
  return dead.source.startsWith("/") ? dead.source : null;
}

/** As `insideOf`; dead mounts are cleared by themselves. */
function inside(
  own: readonly MountEntry[],
  { mounts, dead }: MachineView,
): { readonly bound: MountEntry[]; readonly living: MountEntry[] } {
  const { bound, living } = insideOf(own, mounts);
  const isOther = (mount: MountEntry): boolean => !own.includes(mount) && !dead.includes(mount);
  return { bound: bound.filter(isOther), living: living.filter(isOther) };
}

/** Where the session and what lies on it would stay mounted, in other namespaces. */
function staying(
  dead: readonly MountEntry[],
  loops: readonly LoopNodes[],
  fileSystems: readonly MountEntry[],
  namespaces: readonly MountNamespace[],
): string[] {
  const [main] = dead;
  const use = { device: main.majorMinor, main, loops, fileSystems, namespaces };
  return [...elsewhere(dead, main.majorMinor, namespaces), ...fileSystemsElsewhere(use)];
}

/** With two mounts at one place it cannot be told which of them has the file of a loop device. */
function stacked(dead: readonly MountEntry[], loops: readonly LoopNodes[], mounts: readonly MountEntry[]): string[] {
  if (loops.length === 0) return [];
  return dead
    .filter((one) => mounts.some((other) => other.mountpoint === one.mountpoint && other.majorMinor !== one.majorMinor))
    .map((one) => `something else is also mounted on ${one.mountpoint}`);
}
