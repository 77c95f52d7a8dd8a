/** What rows of files work in: a new ext4 on a side's device, mounted, or the side's own directory. */
import { mkdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { isMounted, makeDirectory, unmount } from "../place.js";
import { command } from "../shell.js";
import type { Bench, Running } from "../sides/side.js";
import { withUndo } from "../undo.js";
import { discardAll } from "./firstWrites.js";

const TIMEOUT_MS = 120_000;

export async function seconds(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return (performance.now() - startMs) / 1000;
}

export function run(name: string, args: readonly string[], { signal }: Bench): Promise<string> {
  return command(name, args, { timeoutMs: TIMEOUT_MS, signal });
}

/** Writes back what was written under `directory`. */
export const sync = (directory: string, bench: Bench): Promise<string> =>
  run("sync", ["--file-system", directory], bench);

export const makeFileSystem = (side: Running, bench: Bench): Promise<string> =>
  run("mkfs.ext4", ["-F", "-q", side.file], bench);

/** The state that `inWorkDirectory` starts from; not measured. */
export async function emptied(side: Running, bench: Bench): Promise<void> {
  if (!side.isDirectory) await discardAll(side, bench);
}

/** Does `work` in an empty directory of the side, which every user may pass through. */
export function inWorkDirectory<T>(side: Running, bench: Bench, work: (directory: string) => Promise<T>): Promise<T> {
  return withUndo(async (undo) => {
    if (side.isDirectory) {
      const directory = join(side.file, "work");
      mkdirSync(directory);
      undo.add(`directory ${directory}`, () => rmSync(directory, { recursive: true }));
      return work(directory);
    }
    await makeFileSystem(side, bench);
    const directory = makeDirectory(bench.place.path(`ext4-${basename(side.file)}`), undo);
    undo.add(`mount ${directory}`, () => isMounted(directory) && unmount(directory));
    const options = side.mountOptions?.length ? ["-o", side.mountOptions.join(",")] : [];
    await run("mount", ["-t", "ext4", ...options, side.file, directory], bench);
    return work(directory);
  });
}
