/** kmemfs as a user starts it: the default pool, a private tmpfs. */
import { join, resolve } from "node:path";
import type { Cleanup } from "../../test/support/cleanup.js";
import { isMounted, makeDirectory, unmount } from "../place.js";
import { type CommandOptions, command } from "../shell.js";
import { type Bench, type Running, type Side, startInSteps } from "./side.js";

const PROGRAM = resolve("bin/kmemfs.js");

/** Runs a command of kmemfs and returns what it printed. */
export function kmemfsCommand(args: readonly string[], options: CommandOptions = {}): Promise<string> {
  return command(process.execPath, [PROGRAM, ...args], options);
}

/** `kmemfs unmount`; when that fails, the mount is torn off and the failure told. */
async function unmountKmemfs(mountpoint: string): Promise<void> {
  // After a server's death the holder has ended the session.
  if (!isMounted(mountpoint)) return;
  try {
    await kmemfsCommand(["unmount", mountpoint]);
  } catch (error) {
    await unmount(mountpoint);
    throw error;
  }
}

/** `kmemfs mount` with `args`, and its undoing, also when it is cut short. */
export async function mountKmemfs(
  mountpoint: string,
  args: readonly string[],
  signal: AbortSignal,
  undo: Cleanup,
): Promise<void> {
  undo.add(`mount ${mountpoint}`, () => unmount(mountpoint));
  await kmemfsCommand(["mount", ...args], { signal });
  undo.add(`kmemfs on ${mountpoint}`, () => unmountKmemfs(mountpoint));
}

async function holderOf(mountpoint: string, bench: Bench): Promise<number> {
  const report = await kmemfsCommand(["status", mountpoint, "-J"], { signal: bench.signal });
  const { mounts } = JSON.parse(report) as { mounts: { holderPid: number }[] };
  const pid = mounts[0]?.holderPid;
  if (pid === undefined) throw new Error(`kmemfs status ${mountpoint}: no such mount`);
  return pid;
}

async function mount(way: string, bench: Bench, undo: Cleanup): Promise<Running> {
  const mountpoint = makeDirectory(bench.place.path(`kmemfs-${way}`), undo);
  const args = [mountpoint, "--size", String(bench.sizeBytes), "--io", way];
  await mountKmemfs(mountpoint, args, bench.signal, undo);
  return { file: join(mountpoint, "disk"), pids: [await holderOf(mountpoint, bench)] };
}

/** kmemfs with its data served by its workers, or direct through the kernel. */
export function kmemfs(way: "served" | "direct"): Side {
  return {
    name: `kmemfs-${way}`,
    title: `kmemfs ${way}`,
    isPeer: false,
    needs: { mount: "mount" },
    start: (bench) => startInSteps((undo) => mount(way, bench, undo)),
  };
}
