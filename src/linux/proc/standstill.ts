/** Whether a process was deliberately halted: stopped by a signal, or frozen with its cgroup. */
import { dirname, join } from "node:path";
import { type MountEntry, parseMountinfo } from "./mounts.js";
import { readText, statFields } from "./procFile.js";

export type Standstill =
  | { readonly state: "stopped" }
  /** `thaw`: what to write where; null where the cgroup cannot be seen from here. */
  | { readonly state: "frozen"; readonly thaw: { readonly file: string; readonly word: string } | null };

/** Where a task sleeps that its cgroup froze: v2 (kernel/signal.c), v1 (kernel/freezer.c). */
const FREEZERS = new Set(["do_freezer_trap", "__refrigerator"]);

/** Null for a process that runs or sleeps normally, is gone, or belongs to another user. */
export function standstillOf(pid: number, root = ""): Standstill | null {
  const state = statFields(readText(`${root}/proc/${pid}/stat`))[0];
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
  return statFields(readText(`${root}/proc/${pid}/stat`))[19] ?? null;
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
    const thaw = thawIn(isUnified ? UNIFIED : FREEZER, root, mount.mountpoint, path);
    if (thaw !== null) return thaw;
  }
  return null;
}

function isFreezer(entry: MountEntry): boolean {
  return entry.fsType === "cgroup" && entry.options.split(",").includes("freezer");
}

/** The files of a cgroup: what says that it is frozen, what says that it is by itself, and what to write to which. */
const UNIFIED = {
  state: "cgroup.events",
  frozen: /^frozen 1$/m,
  own: "cgroup.freeze",
  file: "cgroup.freeze",
  word: "0",
};
const FREEZER = {
  state: "freezer.state",
  frozen: /^(?!THAWED)./,
  own: "freezer.self_freezing",
  file: "freezer.state",
  word: "THAWED",
};

/** A cgroup is frozen by itself or by one above it: that one is to be thawed. */
function thawIn(
  { state, frozen, own, file, word }: typeof UNIFIED,
  root: string,
  mountpoint: string,
  path: string,
): { file: string; word: string } | null {
  const read = (at: string, name: string): string => readText(root + join(mountpoint, at, name))?.trim() ?? "";
  if (!frozen.test(read(path, state))) return null;
  let above = path;
  while (read(above, own) !== "1" && above !== "/") above = dirname(above);
  return { file: join(mountpoint, read(above, own) === "1" ? above : path, file), word };
}
