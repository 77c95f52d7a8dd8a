/** The temporary place of a run: directories to mount on, and a tmpfs for the peers' files. */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Cleanup } from "../test/support/cleanup.js";
import { command } from "./shell.js";

export interface Place {
  /** An empty directory or path to be made, named `name`, for one user. */
  path(name: string): string;
  /** A directory on the run's own tmpfs. */
  readonly ram: string;
}

export function isMounted(path: string): boolean {
  const lines = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return lines.some((line) => line.split(" ")[4] === path);
}

/** Unmounts `path` if something is mounted there; by force when it is in use or its server is stuck. */
export async function unmount(path: string): Promise<void> {
  if (!isMounted(path)) return;
  await command("umount", [path], { timeoutMs: 10_000 }).catch(() => undefined);
  if (isMounted(path)) await command("umount", ["--force", "--lazy", path]);
}

/** Makes an empty directory, and removes it in the clean-up. */
export function makeDirectory(path: string, undo: Cleanup): string {
  mkdirSync(path, { mode: 0o700 });
  undo.add(`directory ${path}`, () => rmdirSync(path));
  return path;
}

/** Makes the place of a run whose files take at most `ramBytes`. */
export async function makePlace(ramBytes: number, undo: Cleanup): Promise<Place> {
  const top = mkdtempSync(join(tmpdir(), "kmemfs-bench-"));
  undo.add(`directory ${top}`, () => rmdirSync(top));
  // Another user's server works further down.
  chmodSync(top, 0o711);
  const ram = makeDirectory(join(top, "ram"), undo);
  undo.add(`tmpfs ${ram}`, () => unmount(ram));
  await command("mount", ["-t", "tmpfs", "-o", `size=${ramBytes},mode=0711`, "kmemfs-bench", ram]);
  return { path: (name) => join(top, name), ram };
}
