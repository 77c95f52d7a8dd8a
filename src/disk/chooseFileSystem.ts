/** Chooses the file system of a device: the existing one, or a new one if it is blank. */
import { UserError } from "../base/errors.js";
import type { MountStatus } from "../mounts/status.js";
import {
  type DeviceContent,
  type FileSystemType,
  isBlank,
  makeFileSystem,
  probeDevice,
  requireMkfs,
  requireSize,
} from "./fileSystems.js";

export interface Chosen {
  readonly type: string;
  /** True when it was made just now. */
  readonly fresh: boolean;
}

/**
 * Makes `wanted` (or ext4) on a blank `device`; keeps a file system that is there.
 * @throws UserError when the device holds a file system other than `wanted`, or other data
 */
export async function chooseFileSystem(
  device: string,
  wanted: FileSystemType | null,
  disk: MountStatus,
  signal?: AbortSignal,
): Promise<Chosen> {
  const what = `up ${disk.mountpoint}`;
  const taken = (reason: string, cure: string) => new UserError(what, reason, { code: "EEXIST", cure });
  // Nothing of a private pool is anybody's: where it holds nothing, there is nothing to look for.
  const isNew = disk.pool.path === null && disk.usedBytes === 0;
  const content: DeviceContent = isNew ? { kind: "blank" } : await probeDevice(device);
  if (content.kind === "fileSystem") {
    if (wanted === null || wanted === content.type) return { type: content.type, fresh: false };
    throw taken(`the pool holds ${content.type}, not ${wanted}`, `--fs ${content.type}, or another pool`);
  }
  if (content.kind === "other") {
    throw taken(`the pool holds no file system but ${content.name}`, "kmemfs mount and losetup --partscan by hand");
  }
  if (disk.readOnly) {
    throw new UserError(what, "the pool is blank and read-only", { code: "EROFS", cure: "without --read-only" });
  }
  if (disk.usedBytes > 0 && !(await isBlank(device, disk.sizeBytes))) {
    const cure = `kmemfs format --force ${disk.pool.path ?? ""}, which destroys it`;
    throw taken("the pool holds unrecognised data", cure);
  }
  const type = wanted ?? "ext4";
  requireSize(what, type, disk.sizeBytes);
  requireMkfs(what, type);
  await makeFileSystem(type, device, disk.usedBytes === 0, signal);
  return { type, fresh: true };
}
