/** Loop devices that are only called like those of a dead disk. */
import type { LoopNodes, MountEntry } from "../../linux/proc.js";
import { run } from "../disk/command.js";
import { fileOf } from "./remains.js";

/** A living file system that hangs would hang us too. */
const LOOK_TIMEOUT_MS = 3_000;

/**
 * The kernel tells a loop device's file by its path, which in another mount namespace
 * is another file. A dead mount says nothing of its files, not even which device they
 * are on: a loop device that knows, or that does not answer, is on something that lives.
 * @returns those of `loops` that are on another file of a path that is a dead one's too
 */
export async function strangersOf(loops: readonly LoopNodes[], dead: readonly MountEntry[]): Promise<LoopNodes[]> {
  const seen = await Promise.all(
    loops.map(async ({ path, backingFile }) => {
      const called = dead.filter((mount) => fileOf(mount) === backingFile.replace(/ \(deleted\)$/, ""));
      if (called.length === 0) return false;
      const majorMinor = await backingDevice(path);
      return majorMinor !== "" && !called.some((mount) => mount.majorMinor === majorMinor);
    }),
  );
  return loops.filter((_loop, i) => seen[i]);
}

/** `MAJ:MIN` of the file system that the file of loop device `path` is on; "" when nobody may know. */
async function backingDevice(path: string): Promise<string> {
  try {
    const result = await run("losetup", ["-l", "-n", "-O", "BACK-MAJ:MIN", path], { timeoutMs: LOOK_TIMEOUT_MS });
    return result.exitCode === 0 ? result.stdout.trim() : "";
  } catch {
    return "silent";
  }
}
