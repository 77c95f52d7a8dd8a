/**
 * Loop devices whose file cannot be reached any more: the session is dead and mounted
 * nowhere, as after a container with a disk in it was killed. They hold all of its memory.
 */
import { basename } from "node:path";
import { backingOf, backingPath, mountsOnLoops, PATHLESS, recordOfLoop } from "../disk/loopFiles.js";
import { describeUsers, partClauses } from "../disk/users.js";
import { abortConnection } from "../linux/fuse/fuseConnection.js";
import type { LoopNodes } from "../linux/proc/loopDevices.js";
import type { MountEntry } from "../linux/proc/mounts.js";
import { usersOfDevice } from "../linux/proc/mountUsers.js";
import { type MountNamespace, readNamespaces } from "../linux/proc/namespaces.js";
import { readText } from "../linux/proc/procFile.js";
import { isNameHeld } from "../linux/process/nameLock.js";
import { type MountRecord, readMountRecords } from "../mounts/mountRecord.js";
import { KMEMFS_TYPES } from "../mounts/paths.js";
import { diskPaths } from "../mounts/stateDirectory.js";

export interface Orphan {
  /** The user's name for the disk; null if not recorded. */
  readonly mountpoint: string | null;
  /** `MAJ:MIN` that its FUSE mount had; null if not recorded. */
  readonly device: string | null;
  readonly loop: LoopNodes;
  /** What its pool held when it was last looked at; null for unknown. */
  readonly heldBytes: number | null;
  /** The size of the device: it holds no more. */
  readonly sizeBytes: number;
  /** Why it is left; one clause each. */
  readonly blockers: readonly string[];
}

const SECTOR_BYTES = 512;

/**
 * @param records of all disks of this user
 * @param ask of a device that no record has, what it is on: one that hangs keeps whoever asks for ever
 */
export async function findOrphans(
  namespaces: readonly MountNamespace[],
  records: readonly MountRecord[],
  loops: readonly LoopNodes[],
  ask: boolean,
): Promise<Orphan[]> {
  if (process.geteuid?.() !== 0) return [];
  const pathless = loops.filter((loop) => backingPath(loop) === PATHLESS);
  const found = await Promise.all(
    pathless.map(async (loop): Promise<Orphan | null> => {
      const record = recordOfLoop(loop, records);
      if (record === null ? !ask || (await backingOf(loop.path, false)) !== "dead" : isReachable(record, namespaces))
        return null;
      return {
        mountpoint: record?.mountpoint ?? null,
        device: record?.seen?.device ?? null,
        loop,
        heldBytes: record?.seen?.heldBytes ?? null,
        sizeBytes: Number(readText(`/sys/class/block/${basename(loop.path)}/size`) ?? 0) * SECTOR_BYTES,
        blockers: blockersOf(loop, namespaces),
      };
    }),
  );
  return found.filter((orphan) => orphan !== null);
}

/** It is in use, or mounted somewhere: it is not lost. */
function isReachable({ mountpoint, seen }: MountRecord, namespaces: readonly MountNamespace[]): boolean {
  if (isNameHeld(diskPaths(mountpoint).lock)) return true;
  return namespaces.some(({ mounts }) => isMountedIn(seen?.device ?? null, mounts));
}

function isMountedIn(device: string | null, mounts: readonly MountEntry[]): boolean {
  return mounts.some((mount) => mount.majorMinor === device && KMEMFS_TYPES.has(mount.fsType));
}

/**
 * Ends what is left of the session: its last process may wait in the kernel for an answer that only
 * it could give, as the file system on the disk is unmounted with its namespace. Then nobody else ends it.
 */
export function endSession({ device }: Orphan): void {
  const connection = /^0:(\d+)$/.exec(device ?? "")?.[1];
  if (connection === undefined) return;
  // Another mount may have the number by now.
  if (readNamespaces().some(({ mounts }) => mounts.some((mount) => mount.majorMinor === device))) return;
  const isHeld = ({ mountpoint: name }: MountRecord): boolean => isNameHeld(diskPaths(name).lock);
  if (readMountRecords().some((record) => record.seen?.device === device && isHeld(record))) return;
  abortConnection(Number(connection));
}

function blockersOf(loop: LoopNodes, namespaces: readonly MountNamespace[]): string[] {
  const mounts = namespaces.flatMap((namespace) => mountsOnLoops([loop], namespace.mounts));
  const users = loop.nodes.flatMap((node) => usersOfDevice(node.path));
  return [
    ...[...new Set(mounts.map((mount) => mount.mountpoint))].map((place) => `${loop.path} is mounted on ${place}`),
    ...partClauses(loop),
    ...(users.length === 0 ? [] : [`${loop.path} is in use by ${describeUsers(users)}`]),
  ];
}
