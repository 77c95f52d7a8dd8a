/** kmemfs as a user starts it: the default pool, a private tmpfs. */
import { join, resolve } from "node:path";
import { mountOptionsFor } from "../../src/disk/fileSystems.js";
import type { MountStatus } from "../../src/mounts/status.js";
import type { Cleanup } from "../../test/support/cleanup.js";
import { isMounted, makeDirectory, unmount } from "../place.js";
import { type CommandOptions, command } from "../shell.js";
import { withUndo } from "../undo.js";
import { type Bench, type Running, type Side, startInSteps, type Way } from "./side.js";

const PROGRAM = resolve("bin/kmemfs.js");
const TRIAL_BYTES = 16 * 2 ** 20;

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

/** What `status` says of a mount. @throws Error when its data do not go the way that was asked for */
export async function statusOf(mountpoint: string, way: Way, signal: AbortSignal): Promise<MountStatus> {
  const report = await kmemfsCommand(["status", mountpoint, "-J"], { signal });
  const mount = (JSON.parse(report) as { mounts: MountStatus[] }).mounts[0];
  if (mount === undefined) throw new Error(`kmemfs status ${mountpoint}: no such mount`);
  if (mount.io !== way) throw new Error(`--io ${way} was asked for, and it is ${mount.io}: ${mount.ioReason}`);
  return mount;
}

async function mount(name: string, way: Way, sizeBytes: number, bench: Bench, undo: Cleanup): Promise<Running> {
  const mountpoint = makeDirectory(bench.place.path(name), undo);
  const args = [mountpoint, "--size", String(sizeBytes), "--io", way];
  await mountKmemfs(mountpoint, args, bench.signal, undo);
  const status = await statusOf(mountpoint, way, bench.signal);
  const mountOptions = mountOptionsFor("ext4", status);
  return { file: join(mountpoint, "disk"), pids: [status.holderPid], way, mountOptions };
}

const NEEDS: Side["needs"] = { mount: "mount" };

/** kmemfs with its data served by its workers, or direct through the kernel. */
export function kmemfs(way: Way): Side {
  const name = `kmemfs-${way}`;
  return {
    name,
    title: `kmemfs ${way}`,
    isPeer: false,
    needs: NEEDS,
    start: (bench) => startInSteps((undo) => mount(name, way, bench.sizeBytes, bench, undo)),
  };
}

/** kmemfs with a file larger than what is written to it. @param isPeer the others are compared with it */
export function kmemfsOfAddress(way: Way, gibibytes: number, isPeer: boolean): Side {
  const name = `kmemfs-${way}-${gibibytes}g`;
  const addressBytes = gibibytes * 2 ** 30;
  const start: Side["start"] = (bench) =>
    startInSteps(async (undo) => ({ ...(await mount(name, way, addressBytes, bench, undo)), addressBytes }));
  return { name, title: `kmemfs ${way}, ${gibibytes} GiB of address`, isPeer, needs: NEEDS, start };
}

/** The program alone: its rows format and mount by themselves, pools whose paths begin with `file`. */
export function kmemfsProgram(way: Way): Side {
  return {
    ...kmemfs(way),
    start: async (bench) => {
      // A way that is refused is told now, not in the midst of the rows.
      await withUndo((undo) => mount(`kmemfs-${way}-trial`, way, TRIAL_BYTES, bench, undo));
      return { file: join(bench.place.ram, `pool-${way}`), pids: [], way, cleanup: async () => undefined };
    },
  };
}
