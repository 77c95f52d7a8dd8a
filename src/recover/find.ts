/** Finds dead disks and what they left in the state directory. Never hangs and changes nothing. */
import { readdirSync } from "node:fs";
import { dirname } from "node:path";
import { ownMounts } from "../disk/inUse.js";
import { backingPath, fileOf, loopsOfDevices } from "../disk/loopFiles.js";
import { fuseOwner, livenessOf } from "../linux/mount/liveness.js";
import { type LoopNodes, readLoopNodes, swapAreas } from "../linux/proc/loopDevices.js";
import { type MountEntry, mountOn } from "../linux/proc/mounts.js";
import { type MountNamespace, readNamespaces } from "../linux/proc/namespaces.js";
import { isNameTaken } from "../linux/process/nameLock.js";
import { idOf, type MountRecord, readMountRecord, readMountRecords } from "../mounts/mountRecord.js";
import { KMEMFS_TYPES, quote } from "../mounts/paths.js";
import { type SilentHolder, standingStill } from "../mounts/silent.js";
import { diskDirectories, idOfFuse, idPaths, stateDirectory } from "../mounts/stateDirectory.js";
import { type DeadDisk, deadDiskOf, type MachineView, sessionsOf } from "./deadDisk.js";
import { findOrphans, type Orphan } from "./orphans.js";

export interface Findings {
  /** In the order to clear them. */
  readonly deadDisks: readonly DeadDisk[];
  /** Dead disks whose name another process holds, which clears or recovers them. */
  readonly taken: readonly DeadDisk[];
  /** Ids of disks that are gone, but have files in the state directory. */
  readonly forgotten: readonly string[];
  /** Loop devices that hold the memory of disks that are gone. */
  readonly orphans: readonly Orphan[];
  /** Other problems, one line each. */
  readonly notes: readonly string[];
  /** Those whose holder stands still: they are not looked at, as their servers may stand still too. */
  readonly still: readonly SilentHolder[];
}

/** Looks at all mounts of kmemfs; takes 3 s when one does not answer. */
export async function findDeadDisks(): Promise<Findings> {
  const namespaces = readNamespaces();
  const mounts = ownMounts(namespaces);
  const records = readMountRecords();
  const all = mounts.filter((mount) => KMEMFS_TYPES.has(mount.fsType));
  const stillOn = new Map(all.map((mount) => [mount, stillHolder(mount, records)]));
  const ours = all.filter((mount) => stillOn.get(mount) === null);
  const held = new Set(ours.filter((mount) => hasHolder(mount, records)).map((mount) => mount.majorMinor));
  const seen = await Promise.all(ours.map((mount) => judge(mount, mounts)));
  const isHeld = (mount: MountEntry): boolean => held.has(mount.majorMinor);
  const dead = ours.filter((_mount, i) => seen[i] === "dead");
  const { strangers, ...facts } = await factsOf(namespaces, dead);
  const deadDisk = sessionsOf(dead).map((session) => deadDiskOf(session, facts));
  const odd = strangers.map(
    ({ path, backingFile }) =>
      `${dirname(backingFile)}: ${path} is attached to a different file of that path, and is left alone`,
  );
  return {
    deadDisks: deadDisk.filter((one) => !isHeld(one.dead[0])),
    taken: deadDisk.filter((one) => isHeld(one.dead[0])),
    forgotten: idsWithoutMount(namespaces, records),
    orphans: await findOrphans(namespaces, records, readLoopNodes(), true),
    // With a holder it will be served again, or is being ended.
    notes: [...seen.flatMap((note, i) => (note === null || note === "dead" || isHeld(ours[i]) ? [] : note)), ...odd],
    still: [...stillOn.values()].filter((still) => still !== null),
  };
}

/**
 * Looks at one disk again, for who has its name now: since it was found another may
 * have cleared it, and brought it back with the same numbers.
 * @param others all that was found dead
 * @returns null when it is not dead any more
 */
export async function lookAgain({ dead: [first] }: DeadDisk, others: readonly DeadDisk[]): Promise<DeadDisk | null> {
  const namespaces = readNamespaces();
  const mounts = ownMounts(namespaces);
  const same = mounts.filter((mount) => KMEMFS_TYPES.has(mount.fsType) && mount.majorMinor === first.majorMinor);
  const seen = await Promise.all(same.map((mount) => judge(mount, mounts)));
  const dead = same.filter((_mount, i) => seen[i] === "dead");
  if (!dead.some((mount) => mount.mountId === first.mountId && mount.mountpoint === first.mountpoint)) return null;
  const ids = new Set(others.flatMap((other) => other.dead.map((mount) => mount.mountId)));
  const allDead = mounts.filter((mount) => dead.includes(mount) || (!same.includes(mount) && ids.has(mount.mountId)));
  return deadDiskOf(sessionsOf(dead)[0], await factsOf(namespaces, allDead));
}

async function factsOf(
  namespaces: readonly MountNamespace[],
  dead: readonly MountEntry[],
): Promise<MachineView & { readonly strangers: readonly LoopNodes[] }> {
  const all = readLoopNodes();
  const devices = new Set(dead.map((mount) => mount.majorMinor));
  const files = new Set(dead.map(fileOf));
  const { ours } = await loopsOfDevices(devices, namespaces, all, true);
  // Only called like those of a dead disk: in another mount namespace the same path is another file.
  const strangers = all.filter((loop) => files.has(backingPath(loop)) && !ours.includes(loop));
  const loops = all.filter((loop) => !strangers.includes(loop));
  const mounts = ownMounts(namespaces);
  return { mounts, dead, loops, strangers, namespaces, swapAreas: swapAreas(), records: readMountRecords() };
}

/** "dead"; null for a healthy disk or another user's; otherwise a line that describes the problem. */
async function judge(mount: MountEntry, mounts: readonly MountEntry[]): Promise<string | null> {
  const { mountpoint } = mount;
  const isMine = fuseOwner(mount.options) === process.geteuid?.();
  if (!isMine && process.geteuid?.() !== 0) return null;
  const top = mountOn(mountpoint, mounts);
  if (top?.mountId !== mount.mountId) {
    return isMine
      ? `${mountpoint}: has no holder, and is hidden by a ${top?.fsType} mount; unmount that, then kmemfs recover`
      : null;
  }
  const life = await livenessOf(mount);
  if (life === "dead") return life;
  if (life === "silent") {
    return `${mountpoint}: does not answer, but is not dead; to unmount it: kmemfs unmount --force ${quote(mountpoint)}`;
  }
  if (life === "unseen" || !isMine) return null;
  return `${mountpoint}: is served, but its holder is gone; to unmount it: kmemfs unmount ${quote(mountpoint)}`;
}

function stillHolder(mount: MountEntry, records: readonly MountRecord[]): SilentHolder | null {
  if (fuseOwner(mount.options) !== process.geteuid?.()) return null;
  return standingStill(readMountRecord(idOf(mount, records)));
}

function hasHolder(mount: MountEntry, records: readonly MountRecord[]): boolean {
  return fuseOwner(mount.options) === process.geteuid?.() && isNameTaken(idPaths(idOf(mount, records)).lock);
}

function idsWithoutMount(namespaces: readonly MountNamespace[], records: readonly MountRecord[]): string[] {
  const mounts = namespaces.flatMap((namespace) => namespace.mounts).filter((mount) => KMEMFS_TYPES.has(mount.fsType));
  const mounted = new Set(mounts.flatMap((mount) => [idOfFuse(mount.mountpoint), idOf(mount, records)]));
  const ids = new Set([
    ...idsIn(stateDirectory(), /^([0-9a-f]{16})\.(?:sock|lock|json|clearing)$/),
    ...idsIn(diskDirectories()),
  ]);
  return [...ids].filter((id) => !mounted.has(id) && !isNameTaken(idPaths(id).lock));
}

function idsIn(directory: string, pattern = /^([0-9a-f]{16})$/): string[] {
  try {
    return readdirSync(directory).flatMap((name) => pattern.exec(name)?.[1] ?? []);
  } catch {
    return [];
  }
}
