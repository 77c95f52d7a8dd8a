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

/** Fields of the text of proc_pid_stat(5), from 3, the state, on: the name before it may hold blanks and brackets. */
export function statFields(text: string | null): string[] {
  return text === null ? [] : text.slice(text.lastIndexOf(")") + 2).split(" ");
}

/** The number after `name:` in a text like proc_pid_fdinfo(5); NaN where there is none. */
export function numberOf(name: string, text: string | null): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text ?? "")?.[1]);
}

/** Major and minor of a Linux dev_t as Node gives it (gnu_dev_major(3)). */
export function deviceNumbers(rdev: number): { readonly major: number; readonly minor: number } {
  const low = rdev % 0x1_0000_0000;
  const high = Math.floor(rdev / 0x1_0000_0000);
  return { major: ((low >>> 8) & 0xfff) | (high & 0xfffff000), minor: (low & 0xff) | ((low >>> 12) & 0xfff00) };
}

/** `MAJ:MIN` as in proc_pid_maps(5) and proc_locks(5), hexadecimal. */
export function hexDevice(major: number, minor: number): string {
  return [major, minor].map((value) => value.toString(16).padStart(2, "0")).join(":");
}

/** Of all processes that /proc shows. */
export function processIds(): number[] {
  return readNames("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** The command name (comm, at most 15 characters), or null. */
export function processName(pid: number): string | null {
  return readText(`/proc/${pid}/comm`)?.trimEnd() ?? null;
}
