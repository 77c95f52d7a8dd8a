/** Kernel objects stacked on a file system or device: overlays, btrfs over several devices. */
import { basename } from "node:path";
import { type MountEntry, mountOfPath, unescapeOctal } from "./mounts.js";
import { readNames } from "./procFile.js";

/** Options of an overlay that name directories it is made of; the lower ones stand in one list or in several options. */
const LAYER = /^(lowerdir|lowerdir\+|datadir\+|upperdir|workdir)=(.*)$/;

/** Overlay mounts of `mounts` that have a layer on the file system of `mount`. */
export function overlaysOn(mount: MountEntry, mounts: readonly MountEntry[]): MountEntry[] {
  const isOnIt = (path: string): boolean => mountOfPath(path, mounts)?.majorMinor === mount.majorMinor;
  return mounts.filter((entry) => entry.fsType === "overlay" && layersOf(entry.options).some(isOnIt));
}

/** Absolute paths of an overlay's layers, from its options in mountinfo. */
export function layersOf(options: string): string[] {
  return options.split(",").flatMap((option) => {
    const layer = LAYER.exec(option);
    if (layer === null) return [];
    // A backslash keeps a colon that does not separate (Documentation/filesystems/overlayfs.rst).
    return unescapeOctal(layer[2])
      .split(/(?<!\\):/)
      .map((path) => path.replaceAll("\\:", ":"))
      .filter((path) => path.startsWith("/"));
  });
}

/** Paths of the devices that make up a btrfs with the device `path`, itself among them; none where it is in no mounted btrfs. */
export function btrfsDevices(path: string, root = "/sys"): string[] {
  for (const uuid of readNames(`${root}/fs/btrfs`)) {
    const names = readNames(`${root}/fs/btrfs/${uuid}/devices`);
    if (names.includes(basename(path))) return names.map((name) => `/dev/${name}`);
  }
  return [];
}
