/**
 * The users of a session, for `unmount`, `down`, SIGTERM, `recover` and `doctor`. A session
 * lives as long as any mount of its device, in any mount namespace. Everything is read from
 * /proc and /sys; only loop devices with an ambiguous path are asked.
 */
import { dirname } from "node:path";
import { coverOf } from "../linux/mount/mountHandle.js";
import { type LoopNodes, readLoopDevices, readLoopNodes, swapAreas } from "../linux/proc/loopDevices.js";
import type { MountEntry } from "../linux/proc/mounts.js";
import { usersOfMount } from "../linux/proc/mountUsers.js";
import { goesWith, type MountNamespace, readNamespaces } from "../linux/proc/namespaces.js";
import { btrfsDevices, overlaysOn } from "../linux/proc/stacked.js";
import { KMEMFS_TYPES } from "../mounts/paths.js";
import type { MountStatus } from "../mounts/status.js";
import { loopsOfDevices, mountsOnLoops } from "./loopFiles.js";
import { describeUsers, deviceClauses } from "./users.js";

/** A session by its number, and by where it was mounted. */
export interface SessionName {
  /** `MAJ:MIN` of the FUSE mount. */
  readonly device: string;
  readonly fuseDirectory: string;
}

/** A disk by its name and its session; nobody need serve it any more. */
export interface DiskPlace extends SessionName {
  readonly mountpoint: string;
}

/** Where a session is mounted. */
export interface SessionPlaces {
  /** `MAJ:MIN` of the session's file system. */
  readonly device: string;
  readonly namespaces: readonly MountNamespace[];
  /** The mount where the disk is, in our namespace; null when it is in none of its places. */
  readonly main: MountEntry | null;
}

export interface SessionUse extends SessionPlaces {
  readonly loops: readonly LoopNodes[];
  /** Loop devices that may be on it but do not answer. */
  readonly silent: readonly LoopNodes[];
  /** Mounts in our namespace of what lies on the loop devices; the latest first: the order to unmount in. */
  readonly fileSystems: readonly MountEntry[];
}

/**
 * Accesses neither the mount nor a device.
 * @param device `MAJ:MIN` of the FUSE mount
 * @param directory where it was mounted; it may have been moved
 */
export function readPlaces(device: string, directory: string): SessionPlaces {
  const namespaces = readNamespaces();
  const wholes = ownMounts(namespaces).filter((entry) => entry.majorMinor === device && entry.root === "/");
  const main = wholes.find((entry) => entry.mountpoint === directory) ?? wholes[0] ?? null;
  return { device, namespaces, main };
}

/**
 * As `readPlaces`, with what lies on the session's file.
 * @param isHeld it has a holder; without one it may answer nobody
 */
export async function readUse({ device, fuseDirectory }: SessionName, isHeld: boolean): Promise<SessionUse> {
  const places = readPlaces(device, fuseDirectory);
  const { ours, silent } = await loopsOfDevices(new Set([device]), places.namespaces, readLoopNodes(), !isHeld);
  return { ...places, ...stackOn(ours, places), silent };
}

/** As `readUse` of a disk with a holder; nothing of one that is mounted nowhere, as when it was given up. */
export async function useOf({ device, file, givenUp }: MountStatus): Promise<SessionUse> {
  if (device === null) return NO_USE;
  return readUse({ device, fuseDirectory: dirname(file) }, (givenUp ?? null) === null);
}

const NO_USE: SessionUse = { device: "", namespaces: [], main: null, loops: [], silent: [], fileSystems: [] };

/** As `useOf`, by what its holder saw: for an end that asks nobody whether it may. */
export function knownUseOf({ device, file, loopDevices }: MountStatus): SessionUse {
  if (device === null) return NO_USE;
  const places = readPlaces(device, dirname(file));
  const loops = readLoopNodes().filter((loop) => loopDevices.includes(loop.path));
  return { ...places, ...stackOn(loops, places), silent: [] };
}

function stackOn(loops: readonly LoopNodes[], { namespaces }: SessionPlaces) {
  return { loops, fileSystems: mountsOnLoops(loops, ownMounts(namespaces)).reverse() };
}

export function ownMounts(namespaces: readonly MountNamespace[]): readonly MountEntry[] {
  return namespaces.find(({ isOwn }) => isOwn)?.mounts ?? [];
}

/**
 * Where else the session is mounted, and what is mounted over it or inside, one clause each.
 * What unmounting takes away by itself is not named.
 */
export function otherPlaces(use: SessionPlaces): string[] {
  const { device, namespaces, main } = use;
  const others = ownMounts(namespaces)
    .filter((entry) => entry.majorMinor === device && entry !== main)
    .map((entry) => `it is also mounted on ${entry.mountpoint}`);
  return [...coverClauses(use), ...others, ...elsewhere(main === null ? [] : [main], device, namespaces)];
}

function whereIn(entry: MountEntry, around: MountEntry): string {
  return entry.mountpoint === around.mountpoint ? `over ${around.mountpoint}` : `on ${entry.mountpoint}`;
}

function nameOf(entry: MountEntry): string {
  return `${entry.fsType} (${entry.source})`;
}

/** Mounts of `device` in other namespaces that do not go when `leaving` are unmounted, one clause each. */
export function elsewhere(
  leaving: readonly MountEntry[],
  device: string,
  namespaces: readonly MountNamespace[],
): string[] {
  return namespaces.flatMap((namespace) => {
    if (namespace.isOwn) return [];
    const staying = namespace.mounts.filter(
      (entry) =>
        entry.majorMinor === device && !leaving.some((mount) => goesWith(mount, entry, namespace.mounts, namespaces)),
    );
    const { id, processName, pid } = namespace;
    return staying.map(
      (entry) => `it is mounted on ${entry.mountpoint} in the mount namespace ${id} of ${processName} (pid ${pid})`,
    );
  });
}

/** Processes that use the session's file or directory, in any namespace; one clause, or none. */
export function processClauses({ device, main }: SessionPlaces): string[] {
  const users = usersOfMount(device);
  return users.length === 0 ? [] : [`${main?.mountpoint ?? "it"} is in use by ${describeUsers(users)}`];
}

/** Its loop devices, one clause each. */
export function loopClauses({ loops, silent, namespaces }: SessionUse): string[] {
  const known = loops.map((loop) => {
    const places = namespaces.flatMap(({ mounts, isOwn, processName, pid }) =>
      mountsOnLoops([loop], mounts).map(
        ({ mountpoint }) => mountpoint + (isOwn ? "" : ` (in the mount namespace of ${processName}, pid ${pid})`),
      ),
    );
    return `${loop.path} is attached to its file${places.length === 0 ? "" : `, mounted on ${[...new Set(places)].join(", ")}`}`;
  });
  return [...known, ...silentClauses(silent)];
}

function silentClauses(silent: readonly LoopNodes[]): string[] {
  return silent.map((loop) => `${loop.path} may be attached to its file, but does not answer`);
}

/** What keeps its file systems and loop devices from being taken away in order, one clause each. */
export function stackClauses(use: SessionUse): string[] {
  const { loops, silent, fileSystems } = use;
  return [
    ...silentClauses(silent),
    ...fileSystems.flatMap((mount) => fileSystemClauses(mount, use)),
    ...fileSystemsElsewhere(use),
    ...loops.flatMap(deviceClauses),
  ];
}

/** What lies on its loop devices in other namespaces and does not go with our mounts of it, one clause each. */
export function fileSystemsElsewhere({
  namespaces,
  loops,
  fileSystems,
}: Pick<SessionUse, "namespaces" | "loops" | "fileSystems">): string[] {
  const clauses: string[] = [];
  for (const device of new Set(fileSystems.map((mount) => mount.majorMinor))) {
    const leaving = fileSystems.filter((mount) => mount.majorMinor === device);
    const what = leaving[0].mountpoint;
    for (const clause of elsewhere(leaving, device, namespaces)) clauses.push(clause.replace(/^it is/, `${what} is`));
  }
  const seen = new Set(fileSystems.map((mount) => mount.majorMinor));
  for (const { mounts, isOwn, id, processName, pid } of namespaces) {
    if (isOwn) continue;
    for (const mount of mountsOnLoops(loops, mounts)) {
      if (seen.has(mount.majorMinor)) continue;
      const where = `in the mount namespace ${id} of ${processName} (pid ${pid})`;
      clauses.push(`${mount.source} is mounted on ${mount.mountpoint} ${where}`);
    }
  }
  return clauses;
}

/**
 * What is mounted inside the mounts `own`: `bound` is there from elsewhere as well, and
 * loses nothing; `living` would end with its mount.
 */
export function insideOf(
  own: readonly MountEntry[],
  mounts: readonly MountEntry[],
): { readonly bound: MountEntry[]; readonly living: MountEntry[] } {
  const tree = new Set(own.map((mount) => mount.mountId));
  // A child comes after its parent in mountinfo.
  const below = mounts.filter((mount) => {
    if (tree.has(mount.mountId) || !tree.has(mount.parentId)) return false;
    tree.add(mount.mountId);
    return true;
  });
  const isElsewhere = (mount: MountEntry): boolean =>
    !KMEMFS_TYPES.has(mount.fsType) &&
    mounts.some((other) => other.majorMinor === mount.majorMinor && !tree.has(other.mountId));
  return { bound: below.filter(isElsewhere), living: below.filter((mount) => !isElsewhere(mount)) };
}

/** What is mounted in its file systems and nowhere else, one clause each. */
export function livingInside({ fileSystems, namespaces }: SessionUse): string[] {
  const { living } = insideOf(fileSystems, ownMounts(namespaces));
  return living.map((mount) => `${nameOf(mount)} is mounted on ${mount.mountpoint}`);
}

/** What is mounted over the session's directory, or in it: taking that away would take it too. One clause each. */
export function coverClauses({ main, namespaces }: SessionPlaces): string[] {
  return main === null ? [] : coversOf(main, ownMounts(namespaces));
}

/** @param leaving what goes before the mount does, and is not named */
function coversOf(mount: MountEntry, own: readonly MountEntry[], leaving: readonly MountEntry[] = []): string[] {
  const clauses = own
    .filter((other) => other.parentId === mount.mountId && !leaving.includes(other))
    .map((other) => `${nameOf(other)} is mounted ${whereIn(other, mount)}`);
  const cover = coverOf(mount, own);
  return cover === null || cover.parentId === mount.mountId ? clauses : [...clauses, hiddenClause(mount, cover)];
}

/** What of its file systems a path does not lead to: it can be neither written out nor unmounted. One clause each. */
export function hiddenClauses({ fileSystems, namespaces }: SessionUse): string[] {
  const own = ownMounts(namespaces);
  return fileSystems.flatMap((mount) => {
    const cover = coverOf(mount, own);
    // Of two of its own the later one goes first.
    return cover === null || fileSystems.includes(cover) ? [] : hiddenClause(mount, cover);
  });
}

function hiddenClause(mount: MountEntry, cover: MountEntry): string {
  const { mountpoint } = mount;
  if (cover.parentId === mount.mountId) return `${nameOf(cover)} is mounted over ${mountpoint}`;
  return `${mountpoint} is hidden by ${nameOf(cover)} on ${cover.mountpoint}`;
}

function fileSystemClauses(mount: MountEntry, { namespaces, fileSystems, loops }: SessionUse): string[] {
  const { mountpoint } = mount;
  const clauses = coversOf(mount, ownMounts(namespaces), fileSystems);
  const inside = (path: string): boolean => path.startsWith(`${mountpoint}/`);
  for (const loop of readLoopDevices()) {
    if (inside(loop.backingFile)) clauses.push(`${loop.path} is attached to ${loop.backingFile}`);
  }
  for (const area of swapAreas()) if (inside(area)) clauses.push(`${area} is in use as swap`);
  for (const { mounts } of namespaces) {
    for (const overlay of overlaysOn(mount, mounts)) {
      clauses.push(`the overlay on ${overlay.mountpoint} has a layer on ${mountpoint}`);
    }
  }
  const nodes = new Set(loops.flatMap((loop) => loop.nodes.map((node) => node.path)));
  const all = mount.fsType === "btrfs" ? btrfsDevices(mount.source) : [];
  const others = all.filter((device) => !nodes.has(device));
  if (others.length > 0) clauses.push(`the btrfs on ${mountpoint} also uses ${others.join(", ")}`);
  const users = usersOfMount(mount.majorMinor);
  if (users.length > 0) clauses.push(`${mountpoint} is in use by ${describeUsers(users)}`);
  return clauses;
}
