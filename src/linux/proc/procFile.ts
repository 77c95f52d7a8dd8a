/** Reads files of /proc and /sys. */
import { readdirSync, readFileSync, readlinkSync, realpathSync } from "node:fs";

/** Content of a /proc or /sys file, or null if it cannot be read. Never use it on a path below a FUSE mount. */
export function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

/** Names in a directory of /proc or /sys; empty if it cannot be read. */
export function readNames(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/** Target of a symbolic link of /proc, or null. Does not touch the target. */
export function readLink(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}

/** A path of /sys with all links resolved, or null. */
export function realPath(path: string): string | null {
  try {
    return realpathSync(path);
  } catch {
    return null;
  }
}

/** The pids of all processes in /proc. */
export function processIds(): number[] {
  return readNames("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** The command name (comm, at most 15 characters), or null. */
export function processName(pid: number): string | null {
  return readText(`/proc/${pid}/comm`)?.trimEnd() ?? null;
}
