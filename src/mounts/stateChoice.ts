/**
 * Chooses the directory for the state of a caller's mounts. Every command in the same
 * environment must choose the same one, before and after it is created: so an existing
 * directory of ours is preferred to one that could be created.
 */
import { dirname, isAbsolute, join } from "node:path";

export interface Caller {
  readonly uid: number;
  /** The text of /proc/self/uid_map; null where the kernel has no user namespaces. */
  readonly uidMap: string | null;
  /** XDG_RUNTIME_DIR. */
  readonly runtime: string | undefined;
  readonly temporary: string;
}

/** What is at a path, not following a symbolic link at its end. */
export interface Place {
  readonly isDirectory: boolean;
  readonly uid: number;
  readonly mode: number;
  /** The caller may make files in it. */
  readonly isWritable: boolean;
}

export type Look = (path: string) => Place | null;

const NAME = "kmemfs";
const SYSTEM = "/run";
const ALL_IDS = 4_294_967_295;

/** The absolute path; whether it is the caller's own is for `flawOf` to say. */
export function chooseStateDirectory(caller: Caller, look: Look): string {
  const { uid, runtime, temporary } = caller;
  const map = parseUidMap(caller.uidMap);
  const system = join(SYSTEM, NAME);
  if (uid === 0 && isInitial(map)) return system;
  // Root of another user namespace has a /run of its own only in a container.
  if (uid === 0 && isOwnPlace(SYSTEM, uid, look)) return system;
  const outside = outsideUid(uid, map);
  if (runtime !== undefined && isAbsolute(runtime) && isUsable(join(runtime, NAME), uid, look)) {
    return join(runtime, NAME);
  }
  const home = `/run/user/${outside}`;
  return isOwnPlace(home, uid, look) ? join(home, NAME) : join(temporary, `${NAME}-${outside}`);
}

/** Why a directory that is there cannot have our state; null for no reason. */
export function flawOf(place: Place, uid: number): "other" | "foreign" | "open" | null {
  if (!place.isDirectory) return "other";
  if (place.uid !== uid) return "foreign";
  return (place.mode & 0o077) === 0 ? null : "open";
}

/** Also one that is open to others: with another choice the disks in it could not be reached any more. */
function isOurs(place: Place, uid: number): boolean {
  return place.isDirectory && place.uid === uid;
}

/** Ours is in `parent`, or can be made there, and the parent is ours as well. */
function isOwnPlace(parent: string, uid: number, look: Look): boolean {
  const made = look(join(parent, NAME));
  if (made !== null) return isOurs(made, uid);
  const place = look(parent);
  return place?.isDirectory === true && place.uid === uid && place.isWritable;
}

/** There and ours, or it can be made, with its parents: the caller named it. */
function isUsable(path: string, uid: number, look: Look): boolean {
  const place = look(path);
  if (place !== null) return isOurs(place, uid);
  let parent = dirname(path);
  while (look(parent) === null && parent !== "/") parent = dirname(parent);
  const above = look(parent);
  return above?.isDirectory === true && above.isWritable;
}

interface UidRange {
  readonly inside: number;
  readonly outside: number;
  readonly count: number;
}

/** user_namespaces(7): first id inside, first id outside, how many. */
function parseUidMap(text: string | null): UidRange[] {
  const lines = (text ?? "").split("\n").filter((line) => line.trim() !== "");
  return lines.map((line) => {
    const [inside, outside, count] = line.trim().split(/\s+/).map(Number);
    return { inside, outside, count };
  });
}

function isInitial(map: readonly UidRange[]): boolean {
  const [first] = map;
  return first === undefined || (first.inside === 0 && first.outside === 0 && first.count === ALL_IDS);
}

function outsideUid(uid: number, map: readonly UidRange[]): number {
  const range = map.find(({ inside, count }) => uid >= inside && uid < inside + count);
  return range === undefined ? uid : range.outside + uid - range.inside;
}
