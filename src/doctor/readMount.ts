/** Reads the data for `checkMount`. Accesses the mount only through a child with a time limit. */
import { basename, dirname } from "node:path";
import { otherPlaces, readPlaces } from "../disk/inUse.js";
import { isStackedOn, swapOn } from "../disk/stackedOn.js";
import { livenessOf } from "../linux/mount/liveness.js";
import { mountOn, readMounts } from "../linux/proc/mounts.js";
import { readText } from "../linux/proc/procFile.js";
import { processState } from "../linux/proc/taskState.js";
import { logPath, stateDirectory } from "../mounts/stateDirectory.js";
import type { MountStatus } from "../mounts/status.js";
import type { LoopReading, MountReading } from "./mountChecks.js";

export async function readMount(status: MountStatus): Promise<MountReading> {
  const directory = dirname(status.file);
  const entry = mountOn(directory, readMounts());
  const isItself = entry?.fsType === "fuse.kmemfs" && entry.majorMinor === status.device;
  return {
    status,
    otherPlaces: status.device === null ? [] : otherPlaces(readPlaces(status.device, directory)),
    life: isItself ? await livenessOf(entry) : "unseen",
    holder: processState(status.holderPid),
    server: status.serverPid === null ? null : processState(status.serverPid),
    loops: status.loopDevices.map(readLoop),
    swapOnIt: swapOn(status.file),
    stateOnIt: [logPath(), stateDirectory()].find(isStackedOn(status.file)) ?? null,
  };
}

function readLoop(path: string): LoopReading {
  const place = `/sys/block/${basename(path)}`;
  return {
    path,
    directIo: readText(`${place}/loop/dio`)?.trim() === "1",
    sectorBytes: Number(readText(`${place}/queue/logical_block_size`) ?? 0),
  };
}
