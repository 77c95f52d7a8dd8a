/** What is stacked on a disk through its loop devices: swap and files. Uses only /proc and /sys. */
import { dirname } from "node:path";
import { type LoopNodes, readLoopNodes, swapAreas } from "../linux/proc/loopDevices.js";
import { type MountEntry, mountOfPath, readMounts } from "../linux/proc/mounts.js";
import { mountsOnLoops } from "./loopFiles.js";

/** A function that tells whether the path of a file or a device lies on `loops`, or on one of the mounts `also`. */
export function liesOn(
  loops: readonly LoopNodes[],
  mounts: readonly MountEntry[],
  also: readonly MountEntry[] = [],
): (path: string) => boolean {
  const devices = new Set(loops.flatMap((loop) => loop.nodes.map((node) => node.path)));
  const on = new Set([...mountsOnLoops(loops, mounts), ...also]);
  return (path) => {
    const mount = mountOfPath(path, mounts);
    return devices.has(path) || (mount !== null && on.has(mount));
  };
}

/** As `liesOn`, of the disk with the file `file`. */
export function isStackedOn(
  file: string,
  loops: readonly LoopNodes[] = readLoopNodes(),
  mounts: readonly MountEntry[] = readMounts(),
): (path: string) => boolean {
  const own = loops.filter((loop) => loop.backingFile === file);
  return liesOn(
    own,
    mounts,
    mounts.filter((mount) => mount.mountpoint === dirname(file)),
  );
}

/** Swap areas on the disk with the file `file`. */
export function swapOn(file: string): string[] {
  const areas = swapAreas();
  return areas.length === 0 ? [] : areas.filter(isStackedOn(file));
}
