/** What a test or a trial needs of the machine, and what of it is missing. */
import { accessSync, closeSync, constants, existsSync, openSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { delimiter, join } from "node:path";

export interface Needs {
  readonly root?: boolean;
  /** /dev/fuse can be opened. */
  readonly fuse?: boolean;
  /** Loop devices can be made. */
  readonly loop?: boolean;
  /** Each is found on PATH or in an sbin directory. */
  readonly commands?: readonly string[];
  /** Each is in /proc/filesystems, e.g. `xfs`. */
  readonly fileSystems?: readonly string[];
  readonly files?: readonly string[];
  /** The oldest kernel, e.g. `6.9`. */
  readonly kernel?: string;
  readonly freeMemoryBytes?: number;
}

function canOpen(path: string): boolean {
  try {
    closeSync(openSync(path, "r+"));
    return true;
  } catch {
    return false;
  }
}

/** True when `command` can be run; sbin is looked at too, which a user's PATH may lack. */
export function hasCommand(command: string): boolean {
  const directories = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  return directories.some((directory) => {
    try {
      accessSync(join(directory, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function hasFileSystem(name: string): boolean {
  const known = readFileSync("/proc/filesystems", "utf8").split("\n");
  return known.some((line) => line.split("\t")[1] === name);
}

/** Compares two versions of a kernel, such as `6.1.0-50-cloud-amd64` and `6.9`. */
export function isOlder(one: string, wanted: string): boolean {
  const [major = 0, minor = 0] = one.split(".").map((part) => Number.parseInt(part, 10));
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split(".").map(Number);
  return major < wantedMajor || (major === wantedMajor && minor < wantedMinor);
}

function freeMemoryBytes(): number {
  const line = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "utf8"));
  return Number(line?.[1] ?? 0) * 1024;
}

/** Why the machine does not meet `needs`, one reason each; empty when it does. */
export function missingOf(needs: Needs): string[] {
  const missing: string[] = [];
  const lacks = (condition: boolean, reason: string): void => {
    if (condition) missing.push(reason);
  };
  lacks(needs.root === true && process.getuid?.() !== 0, "needs root");
  lacks(needs.fuse === true && !canOpen("/dev/fuse"), "needs /dev/fuse");
  lacks(needs.loop === true && !canOpen("/dev/loop-control"), "needs loop devices (/dev/loop-control)");
  for (const command of needs.commands ?? []) lacks(!hasCommand(command), `needs the command ${command}`);
  for (const name of needs.fileSystems ?? []) lacks(!hasFileSystem(name), `needs a kernel with ${name}`);
  for (const file of needs.files ?? []) lacks(!existsSync(file), `needs ${file}`);
  if (needs.kernel !== undefined) lacks(isOlder(release(), needs.kernel), `needs Linux ${needs.kernel}`);
  const memoryBytes = needs.freeMemoryBytes ?? 0;
  lacks(freeMemoryBytes() < memoryBytes, `needs ${Math.ceil(memoryBytes / 2 ** 20)} MiB of free memory`);
  return missing;
}
