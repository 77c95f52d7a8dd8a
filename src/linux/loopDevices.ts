/** Loop devices and swap areas, from sysfs and /proc/swaps. No device is opened. */
import { unescapeOctal } from "./mounts.js";
import { readNames, readText } from "./procFile.js";

export interface LoopDevice {
  /** e.g. `/dev/loop0` */
  readonly path: string;
  readonly backingFile: string;
  /** The kernel detaches it when its last user closes it. */
  readonly autoclear: boolean;
}

/** All attached loop devices. @param root where sysfs is mounted */
export function readLoopDevices(root = "/sys"): LoopDevice[] {
  const devices: LoopDevice[] = [];
  for (const name of readNames(`${root}/block`)) {
    if (!/^loop\d+$/.test(name)) continue;
    const backingFile = readText(`${root}/block/${name}/loop/backing_file`)?.replace(/\n$/, "");
    if (backingFile === undefined || backingFile === "") continue;
    const autoclear = readText(`${root}/block/${name}/loop/autoclear`)?.trim() === "1";
    devices.push({ path: `/dev/${name}`, backingFile, autoclear });
  }
  return devices;
}

/** The loop devices whose backing file is exactly `filePath`, also when it was deleted or its mount is gone. */
export function loopDevicesOn(filePath: string, devices: readonly LoopDevice[] = readLoopDevices()): LoopDevice[] {
  return devices.filter(({ backingFile }) => backingFile === filePath || backingFile === `${filePath} (deleted)`);
}

/** Devices and files in use as swap (proc_swaps(5)). */
export function swapAreas(text: string = readText("/proc/swaps") ?? ""): string[] {
  return text
    .split("\n")
    .slice(1)
    .map((line) => unescapeOctal(line.split(/\s/)[0]))
    .filter((path) => path !== "");
}
