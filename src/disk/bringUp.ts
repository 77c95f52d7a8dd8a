/** The steps of a disk that comes up, each undone when a later one fails: the mount, a loop device, a file system. */
import type { LoopNodes } from "../linux/proc/loopDevices.js";
import { type MountEntry, readMounts } from "../linux/proc/mounts.js";
import { findMount, startMount, stopMount } from "../mounts/client.js";
import type { MountOptions } from "../mounts/options.js";
import type { MountStatus } from "../mounts/status.js";
import type { Chosen } from "./chooseFileSystem.js";
import { mountFileSystem, mountOptionsFor, unmountFileSystem } from "./fileSystems.js";
import { attachLoop, detachLoop } from "./loop.js";
import { mountsOnLoops } from "./loopFiles.js";
import type { Rollback } from "./rollback.js";

export interface FileSystemWish {
  /** Where it is mounted. */
  readonly directory: string;
  /** The file system on the device, or made on it. @throws UserError */
  choose(device: string): Promise<Chosen>;
  readonly signal?: AbortSignal;
  /** What it means that the file system cannot be mounted. */
  explain?(error: unknown): unknown;
  /** Told after each step. */
  done?(step: string): Promise<unknown>;
}

/** Starts a mount. @throws UserError */
export async function bringUpMount(options: MountOptions, rollback: Rollback): Promise<MountStatus> {
  const disk = await startMount(options);
  rollback.push("mount", () => stopMount(disk, { force: true }));
  return disk;
}

/** Attaches a loop device to a disk that is mounted, and mounts the file system on it. @throws UserError */
export async function bringUpFileSystem(
  disk: MountStatus,
  { directory, choose, signal, done, explain }: FileSystemWish,
  rollback: Rollback,
): Promise<Chosen & { readonly loop: LoopNodes; readonly mounts: readonly MountEntry[] }> {
  signal?.throwIfAborted();
  const loop = attachLoop(disk);
  rollback.push(loop.path, () => detachLoop(`losetup -d ${loop.path}`, loop));
  await done?.(`losetup ${loop.path}`);
  signal?.throwIfAborted();
  const chosen = await choose(loop.path);
  if (chosen.fresh) await done?.(`mkfs.${chosen.type}`);
  signal?.throwIfAborted();
  await mountFileSystem(chosen.type, loop.path, directory, mountOptionsFor(chosen.type, disk)).catch(
    (error: unknown) => {
      throw explain?.(error) ?? error;
    },
  );
  const mounts = mountsOnLoops([loop], readMounts());
  rollback.push("umount", async () => {
    for (const mount of mounts) await unmountFileSystem(mount);
  });
  await done?.("mount");
  // Makes the holder record the loop device, so that its disk stays known.
  await findMount(disk.mountpoint);
  return { ...chosen, loop, mounts };
}
