/** Loop devices and swap areas, from sysfs and /proc/swaps. No device is opened. */
import { unescapeOctal } from "./mounts.js";
import { readNames, readText } from "./procFile.js";

export interface LoopDevice {
  /** e.g. `/dev/loop0` */
  readonly path: string;
  readonly backingFile: string;
  /** The kernel detaches it when its last user closes it. */
  readonly autoclear: boolean;
  /** The kernel's number of this use of the device, given once (Linux 5.15); null before. */
  readonly diskSeq: string | null;
}

/** All attached loop devices. @param root where sysfs is mounted */
export function readLoopDevices(root = "/sys"): LoopDevice[] {
  const devices: LoopDevice[] = [];
  for (const name of readNames(`${root}/block`)) {
    if (!/^loop\d+$/.test(name)) continue;
    const backingFile = readText(`${root}/block/${name}/loop/backing_file`)?.replace(/\n$/, "");
    if (backingFile === undefined || backingFile === "") continue;
    const autoclear = readText(`${root}/block/${name}/loop/autoclear`)?.trim() === "1";
    const diskSeq = readText(`${root}/block/${name}/diskseq`)?.trim() ?? null;
    devices.push({ path: `/dev/${name}`, backingFile, autoclear, diskSeq });
  }
  return devices;
}

/** An attached loop device with its partitions. */
export interface LoopNodes extends Omit<LoopDevice, "autoclear"> {
  /** The device itself, then its partitions. */
  readonly nodes: readonly BlockNode[];
}

export interface BlockNode {
  readonly path: string;
  /** `MAJ:MIN`, decimal, as in mountinfo. */
  readonly majorMinor: string;
  /** Other devices of the kernel that are made of it, e.g. `/dev/dm-0`. */
  readonly partOf: readonly string[];
}

/** All attached loop devices with their partitions. @param root where sysfs is mounted */
export function readLoopNodes(root = "/sys"): LoopNodes[] {
  return readLoopDevices(root).map(({ autoclear: _, ...device }) => {
    const name = device.path.slice("/dev/".length);
    const partitions = readNames(`${root}/block/${name}`).filter((entry) => entry.startsWith(`${name}p`));
    const nodes = [name, ...partitions.map((part) => `${name}/${part}`)].map((place) => ({
      path: `/dev/${place.slice(place.indexOf("/") + 1)}`,
      majorMinor: readText(`${root}/block/${place}/dev`)?.trim() ?? "",
      partOf: readNames(`${root}/block/${place}/holders`).map((other) => `/dev/${other}`),
    }));
    return { ...device, nodes };
  });
}

/** Devices and files in use as swap (proc_swaps(5)). */
export function swapAreas(text: string = readText("/proc/swaps") ?? ""): string[] {
  return text
    .split("\n")
    .slice(1)
    .map((line) => unescapeOctal(line.split(/\s/)[0]))
    .filter((path) => path !== "");
}
