/** Whether a process was deliberately halted: stopped by a signal, or frozen with its cgroup. */
import { dirname, join } from "node:path";
import { type MountEntry, parseMountinfo } from "./mounts.js";
import { readText } from "./procFile.js";

export type Standstill =
  | { readonly state: "stopped" }
  /** `thaw`: what to write where; null where the cgroup cannot be seen from here. */
  | { readonly state: "frozen"; readonly thaw: { readonly file: string; readonly word: string } | null };

/** Where a task sleeps that its cgroup froze: v2 (kernel/signal.c), v1 (kernel/freezer.c). */
const FREEZERS = new Set(["do_freezer_trap", "__refrigerator"]);

/** Null for a process that runs or sleeps normally, is gone, or belongs to another user. */
export function standstillOf(pid: number, root = ""): Standstill | null {
  const state = statFields(pid, root)[0];
  if (state === undefined || state === "Z" || state === "X") return null;
  const thaw = thawOf(pid, root);
  if (thaw !== null) return { state: "frozen", thaw };
  // `t` is a stop by a debugger.
  if (state === "T" || state === "t") return { state: "stopped" };
  const sleepsIn = readText(`${root}/proc/${pid}/wchan`)?.trim() ?? "";
  return FREEZERS.has(sleepsIn) ? { state: "frozen", thaw: null } : null;
}

/** When the process began, in clock ticks since the boot: a pid used again is another process. Null when it is gone. */
export function startTicksOf(pid: number, root = ""): string | null {
  return statFields(pid, root)[19] ?? null;
}

/** From field 3 of proc_pid_stat(5) on; the name before it may hold blanks and brackets. */
function statFields(pid: number, root: string): string[] {
  const stat = readText(`${root}/proc/${pid}/stat`);
  return stat === null ? [] : stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

function thawOf(pid: number, root: string): { readonly file: string; readonly word: string } | null {
  const mounts = parseMountinfo(readText(`${root}/proc/self/mountinfo`) ?? "");
  for (const line of (readText(`${root}/proc/${pid}/cgroup`) ?? "").split("\n")) {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (path === undefined) continue;
    const isUnified = controllers === "";
    if (!isUnified && !controllers.split(",").includes("freezer")) continue;
    const mount = mounts.find((entry) => (isUnified ? entry.fsType === "cgroup2" : isFreezer(entry)));
    // For a mount of only a part of the tree the place is not known.
    if (mount?.root !== "/") continue;
    const thaw = isUnified ? thawUnified(mount.mountpoint, path, root) : thawFreezer(mount.mountpoint, path, root);
    if (thaw !== null) return thaw;
  }
  return null;
}

function isFreezer(entry: MountEntry): boolean {
  return entry.fsType === "cgroup" && entry.options.split(",").includes("freezer");
}

/** The frozen cgroup, itself or an ancestor, which must be thawed. */
function frozenAbove(path: string, isFrozen: (path: string) => boolean): string {
  let above = path;
  while (!isFrozen(above) && above !== "/") above = dirname(above);
  return isFrozen(above) ? above : path;
}

function thawUnified(mountpoint: string, path: string, root: string): { file: string; word: string } | null {
  const file = (name: string, at: string): string => join(mountpoint, at, name);
  const events = readText(root + file("cgroup.events", path)) ?? "";
  if (!/^frozen 1$/m.test(events)) return null;
  const above = frozenAbove(path, (at) => readText(root + file("cgroup.freeze", at))?.trim() === "1");
  return { file: file("cgroup.freeze", above), word: "0" };
}

function thawFreezer(mountpoint: string, path: string, root: string): { file: string; word: string } | null {
  const file = (name: string, at: string): string => join(mountpoint, at, name);
  const state = readText(root + file("freezer.state", path))?.trim() ?? "THAWED";
  if (state === "THAWED") return null;
  const above = frozenAbove(path, (at) => readText(root + file("freezer.self_freezing", at))?.trim() === "1");
  return { file: file("freezer.state", above), word: "THAWED" };
}
