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
 * True when unmounting `mount` in our namespace unmounts `other` in another one too:
 * it lies in the same place, and what happens in ours around it is received there.
 */
export function goesWith(
  mount: MountEntry,
  own: readonly MountEntry[],
  other: MountEntry,
  others: readonly MountEntry[],
): boolean {
  const around = own.find((entry) => entry.mountId === mount.parentId);
  const aroundOther = others.find((entry) => entry.mountId === other.parentId);
  if (around === undefined || aroundOther === undefined || around.sharedWith === null) return false;
  const isPeer = aroundOther.sharedWith === around.sharedWith || aroundOther.slaveOf === around.sharedWith;
  return isPeer && placeIn(mount, around) === placeIn(other, aroundOther);
}

/** Where `mount` lies in the file system that it is mounted in. */
function placeIn(mount: MountEntry, around: MountEntry): string {
  const below = around.mountpoint === "/" ? mount.mountpoint : mount.mountpoint.slice(around.mountpoint.length);
  return `${around.root === "/" ? "" : around.root}${below}`;
}
