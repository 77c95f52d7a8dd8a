/**
 * Loop devices that nobody can reach the file of any more: the session is dead and mounted
 * nowhere, as when a container with a disk in it was killed. They hold all of its memory.
 */
import { isNameTaken } from "../../linux/nameLock.js";
import type { MountNamespace } from "../../linux/namespaces.js";
import { holdersOfDevice, type LoopNodes, readLoopNodes } from "../../linux/proc.js";
import { readText } from "../../linux/procFile.js";
import { describeHolders } from "../disk/holders.js";
import { mountsOnLoops } from "../disk/inUse.js";
import { backingPath, isOnDeadSession, PATHLESS } from "../disk/loopFiles.js";
import type { DiskRecord } from "../record.js";
import { diskId, idPaths } from "../stateDirectory.js";

export interface Orphan {
  /** What the user called the disk; null when nobody wrote it down. */
  readonly mountpoint: string | null;
  readonly loop: LoopNodes;
  /** What its pool held when it was last looked at; null for unknown. */
  readonly heldBytes: number | null;
  /** The size of the device: it holds no more. */
  readonly sizeBytes: number;
  /** Why it is left; one clause each. */
  readonly blockers: readonly string[];
}

const SECTOR_BYTES = 512;

/** @param records of all disks of this user */
export async function findOrphans(
  namespaces: readonly MountNamespace[],
  records: readonly DiskRecord[],
  loops: readonly LoopNodes[] = readLoopNodes(),
): Promise<Orphan[]> {
  if (process.geteuid?.() !== 0) return [];
  const pathless = loops.filter((loop) => backingPath(loop) === PATHLESS);
  const dead = await Promise.all(pathless.map((loop) => isOnDeadSession(loop.path)));
  return pathless.flatMap((loop, i) => {
    const record = records.find(({ seen }) => seen?.loops.some((one) => isSame(one, loop)));
    // Its holder lives in a namespace that we do not see into.
    if (!dead[i] || (record !== undefined && isNameTaken(idPaths(diskId(record.mountpoint)).lock))) return [];
    return {
      mountpoint: record?.mountpoint ?? null,
      loop,
      heldBytes: record?.seen?.heldBytes ?? null,
      sizeBytes: Number(readText(`/sys/class/block/${loop.path.slice("/dev/".length)}/size`) ?? 0) * SECTOR_BYTES,
      blockers: blockersOf(loop, namespaces),
    };
  });
}

function isSame(seen: Pick<LoopNodes, "path" | "diskSeq">, loop: LoopNodes): boolean {
  return seen.path === loop.path && seen.diskSeq === loop.diskSeq;
}

function blockersOf(loop: LoopNodes, namespaces: readonly MountNamespace[]): string[] {
  const mounts = namespaces.flatMap((namespace) => mountsOnLoops([loop], namespace.mounts));
  const users = loop.nodes.flatMap((node) => holdersOfDevice(node.path));
  return [
    ...[...new Set(mounts.map((mount) => mount.mountpoint))].map((place) => `${loop.path} is mounted on ${place}`),
    ...loop.nodes.flatMap((node) => node.partOf.map((other) => `${node.path} is part of ${other}`)),
    ...(users.length === 0 ? [] : [`${loop.path} is used by ${describeHolders(users)}`]),
  ];
}
