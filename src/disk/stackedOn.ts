/** What is stacked on a disk through its loop devices: swap and files. Uses only /proc and /sys. */
import { dirname } from "node:path";
import { type LoopNodes, readLoopNodes, swapAreas } from "../linux/proc/loopDevices.js";
import { type MountEntry, mountOfPath, readMounts } from "../linux/proc/mounts.js";

/** A function that tells whether the path of a file or a device lies on the disk with the file `file`. */
export function isStackedOn(
  file: string,
  loops: readonly LoopNodes[] = readLoopNodes(),
  mounts: readonly MountEntry[] = readMounts(),
): (path: string) => boolean {
  const nodes = loops.filter((loop) => loop.backingFile === file).flatMap((loop) => loop.nodes);
  const isOnIt = (mount: MountEntry): boolean =>
    mount.mountpoint === dirname(file) ||
    nodes.some((node) => node.path === mount.source || node.majorMinor === mount.majorMinor);
  return (path) => {
    const mount = mountOfPath(path, mounts);
    return nodes.some((node) => node.path === path) || (mount !== null && isOnIt(mount));
  };
}

/** Swap areas on the disk with the file `file`. */
export function swapOn(file: string): string[] {
  const areas = swapAreas();
  return areas.length === 0 ? [] : areas.filter(isStackedOn(file));
}
