/**
 * What is left of a disk whose processes have ended: the dead mounts of its session,
 * its loop devices, and what is mounted on them. Uses only data already read from
 * /proc and /sys.
 */
import { dirname } from "node:path";
import { elsewhere, fileSystemsElsewhere, insideOf } from "../disk/inUse.js";
import { backingPath, fileOf, mountsOnLoops } from "../disk/loopFiles.js";
import { liesOn } from "../disk/stackedOn.js";
import type { Remains } from "../disk/steps.js";
import { partClauses } from "../disk/users.js";
import type { LoopNodes } from "../linux/proc/loopDevices.js";
import type { MountEntry } from "../linux/proc/mounts.js";
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

export interface DeadDisk extends Remains {
  /** What the user calls the disk. */
  readonly mountpoint: string;
  /** What it was asked for; null when nobody wrote it down. */
  readonly record: MountRecord | null;
  /** null for a pool that is gone with its processes. */
  readonly poolPath: string | null;
  /** Why it cannot be cleared: living things on it that are not ours to end. One clause each. */
  readonly blockers: readonly string[];
}

/** True when `path` is one of the disk's names: the disk's, a dead mount, or a file system on it. */
export function isMeant({ mountpoint, dead, fileSystems }: DeadDisk, path: string): boolean {
  return mountpoint === path || [...dead, ...fileSystems].some((mount) => mount.mountpoint === path);
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
  const own = mountsOnLoops(loops, facts.mounts);
  const { bound, living } = insideOf(own, facts.mounts);
  const fileSystems = facts.mounts.filter((mount) => own.includes(mount) || bound.includes(mount)).reverse();
  const swapAreas = facts.swapAreas.filter(liesOn(loops, facts.mounts));
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
      // Dead mounts are cleared by themselves.
      ...living
        .filter((mount) => !facts.dead.includes(mount))
        .map((mount) => `${mount.mountpoint} (${mount.fsType}) is mounted inside, and still alive`),
      ...loops.flatMap(partClauses),
      ...stacked(dead, loops, facts.mounts),
      // Where it would stay mounted, in other namespaces.
      ...elsewhere(dead, dead[0].majorMinor, facts.namespaces),
      ...fileSystemsElsewhere({ loops, fileSystems, namespaces: facts.namespaces }),
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

/** Of two mounts at one place nobody can tell whose file a loop device is on. */
function stacked(dead: readonly MountEntry[], loops: readonly LoopNodes[], mounts: readonly MountEntry[]): string[] {
  if (loops.length === 0) return [];
  return dead
    .filter((one) => mounts.some((other) => other.mountpoint === one.mountpoint && other.majorMinor !== one.majorMinor))
    .map((one) => `something else is also mounted on ${one.mountpoint}`);
}
