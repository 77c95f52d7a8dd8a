/**
 * The mounts of a process, from mountinfo (proc_pid_mountinfo(5)). Reading it
 * accesses no file system, so a stuck mount cannot block it.
 */
import { readText } from "./procFile.js";

export interface MountEntry {
  readonly mountId: number;
  readonly parentId: number;
  /** `MAJ:MIN` of the file system, decimal. */
  readonly majorMinor: string;
  /** The directory of the file system that is mounted; `/` unless a bind mount or subvolume. */
  readonly root: string;
  readonly mountpoint: string;
  readonly fsType: string;
  readonly source: string;
  /** The mount's own options and then the file system's. */
  readonly options: string;
  /** The group of mounts that events are shared with, and the one that they are received from (mount_namespaces(7)). */
  readonly sharedWith: number | null;
  readonly slaveOf: number | null;
}

/** The mounts this process sees, in the order they were made. */
export function readMounts(): MountEntry[] {
  return mountsOf("self");
}

/** The mounts of the namespace of process `pid`; none when it is gone or another user's. */
export function mountsOf(pid: number | "self"): MountEntry[] {
  return parseMountinfo(readText(`/proc/${pid}/mountinfo`) ?? "");
}

/** Parses mountinfo; malformed lines are skipped. */
export function parseMountinfo(text: string): MountEntry[] {
  const entries: MountEntry[] = [];
  for (const line of text.split("\n")) {
    const fields = line.split(" ");
    const dash = fields.indexOf("-", 6);
    if (dash < 0 || fields.length < dash + 4) continue;
    entries.push({
      mountId: Number(fields[0]),
      parentId: Number(fields[1]),
      majorMinor: fields[2],
      root: unescapeOctal(fields[3]),
      mountpoint: unescapeOctal(fields[4]),
      fsType: fields[dash + 1],
      source: unescapeOctal(fields[dash + 2]),
      options: `${fields[5]},${fields[dash + 3]}`,
      sharedWith: groupIn(fields.slice(6, dash), "shared:"),
      slaveOf: groupIn(fields.slice(6, dash), "master:"),
    });
  }
  return entries;
}

function groupIn(tags: readonly string[], name: string): number | null {
  const tag = tags.find((one) => one.startsWith(name));
  return tag === undefined ? null : Number(tag.slice(name.length));
}

/** The kernel writes space, tab, newline and backslash as `\ooo`, byte by byte of UTF-8 (mangle_path). */
export function unescapeOctal(text: string): string {
  if (!text.includes("\\")) return text;
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

/** The mount of `mounts` that is on top at `directory`, or null. */
export function mountOn<M extends Pick<MountEntry, "mountpoint">>(directory: string, mounts: readonly M[]): M | null {
  return mounts.filter((entry) => entry.mountpoint === directory).at(-1) ?? null;
}

/**
 * The mount that an absolute path without symbolic links leads to, as the kernel walks it: from
 * the root from one mount to the next, so that what lies over a parent hides what is below.
 */
export function mountOfPath(path: string, mounts: readonly MountEntry[]): MountEntry | null {
  const ids = new Set(mounts.map((entry) => entry.mountId));
  // In a chroot the root's parent is not shown.
  let at = mounts.find((entry) => entry.mountpoint === "/" && !ids.has(entry.parentId)) ?? mountOn("/", mounts);
  if (at === null) return null;
  for (;;) {
    const next = nextOnTheWay(at, path, mounts);
    if (next === null) return at;
    at = next;
  }
}

/** Of the mounts in `at` that `path` leads through, the first. */
function nextOnTheWay(at: MountEntry, path: string, mounts: readonly MountEntry[]): MountEntry | null {
  let first: MountEntry | null = null;
  for (const entry of mounts) {
    if (entry.parentId !== at.mountId || entry === at) continue;
    const prefix = entry.mountpoint === "/" ? "/" : `${entry.mountpoint}/`;
    if (path !== entry.mountpoint && !path.startsWith(prefix)) continue;
    if (first === null || entry.mountpoint.length <= first.mountpoint.length) first = entry;
  }
  return first;
}
