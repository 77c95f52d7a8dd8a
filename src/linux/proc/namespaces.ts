/** The mount tables of all mount namespaces that a process is in (mount_namespaces(7)). */
import { type MountEntry, mountsOf, readMounts } from "./mounts.js";
import { processIds, processName, readLink } from "./procFile.js";

export interface MountNamespace {
  /** As /proc shows it: `mnt:[4026531841]`. */
  readonly id: string;
  readonly isOwn: boolean;
  /** A process in it. */
  readonly pid: number;
  readonly processName: string;
  readonly mounts: readonly MountEntry[];
}

/** Our own first. A namespace that no process is in, or only another user's, is not seen. */
export function readNamespaces(): MountNamespace[] {
  const own = readLink("/proc/self/ns/mnt") ?? "mnt:[]";
  const found = new Map<string, MountNamespace>();
  found.set(own, { id: own, isOwn: true, pid: process.pid, processName: "kmemfs", mounts: readMounts() });
  for (const pid of processIds()) {
    const id = readLink(`/proc/${pid}/ns/mnt`);
    if (id === null || found.has(id)) continue;
    const mounts = mountsOf(pid);
    // It was just ending: another process may tell.
    if (mounts.length === 0) continue;
    found.set(id, { id, isOwn: false, pid, processName: processName(pid) ?? "unknown", mounts });
  }
  return [...found.values()];
}

/**
 * The peer groups that receive what happens inside `around`: its own, and of their slaves those
 * that pass it on, however many namespaces lie between (mount_namespaces(7), shared and slave).
 */
function receivers(around: MountEntry, namespaces: readonly MountNamespace[]): ReadonlySet<number> {
  const groups = new Set<number>(around.sharedWith === null ? [] : [around.sharedWith]);
  const mounts = namespaces.flatMap((namespace) => namespace.mounts);
  for (let before = -1; before !== groups.size; ) {
    before = groups.size;
    for (const { slaveOf, sharedWith } of mounts) {
      if (slaveOf !== null && sharedWith !== null && groups.has(slaveOf)) groups.add(sharedWith);
    }
  }
  return groups;
}

/**
 * True when unmounting `mount` in our namespace unmounts `other` in another one too:
 * it lies in the same place, and what happens in ours around it is received there.
 */
export function goesWith(
  mount: MountEntry,
  other: MountEntry,
  others: readonly MountEntry[],
  namespaces: readonly MountNamespace[],
): boolean {
  const own = namespaces.find(({ isOwn }) => isOwn)?.mounts ?? [];
  const around = own.find((entry) => entry.mountId === mount.parentId);
  const aroundOther = others.find((entry) => entry.mountId === other.parentId);
  if (around === undefined || aroundOther === undefined) return false;
  const groups = receivers(around, namespaces);
  const receives = (group: number | null): boolean => group !== null && groups.has(group);
  const isReached = receives(aroundOther.sharedWith) || receives(aroundOther.slaveOf);
  return isReached && placeIn(mount, around) === placeIn(other, aroundOther);
}

/** Where `mount` lies in the file system that it is mounted in. */
function placeIn(mount: MountEntry, around: MountEntry): string {
  const below = around.mountpoint === "/" ? mount.mountpoint : mount.mountpoint.slice(around.mountpoint.length);
  return `${around.root === "/" ? "" : around.root}${below}`;
}
