/**
 * `-o remount`, as in tmpfs(5): `ro` and `rw` are changed by the kernel, `size=` is the size of the
 * file. All other options stay as they were at the mount.
 */
import { basename, dirname } from "node:path";
import { EBUSY, errnoName } from "../base/errno.js";
import { UserError } from "../base/errors.js";
import { fuseMountOf } from "../disk/openDisk.js";
import { hasDataBeyond, resizeDisk } from "../disk/resize.js";
import { busy, describeUsers } from "../disk/users.js";
import { remountExactly } from "../linux/mount/remount.js";
import { mountOn, readMounts } from "../linux/proc/mounts.js";
import { usersOfMount } from "../linux/proc/mountUsers.js";
import { readText } from "../linux/proc/procFile.js";
import { findMount } from "../mounts/client.js";
import { readMountRecords } from "../mounts/mountRecord.js";
import type { MountOptions } from "../mounts/options.js";
import { type OptionName, optionKey, type RawOptions, TOGGLES, VALUES } from "../mounts/optionTable.js";
import { absolutePath, KMEMFS_TYPES, quote } from "../mounts/paths.js";
import type { MountStatus } from "../mounts/status.js";
import { type Invoker, toMountOptions } from "./mountOptions.js";
import { printErrorLine, printLine } from "./print.js";
import { formatBytes, parsePageSizeFloor } from "./sizes.js";
import { wrongUsage } from "./usage.js";

/**
 * Changes a mount as `raw` say.
 * @param sizeIsAsked false when the size is only what fstab has: that makes no disk smaller
 * @returns the status afterwards
 * @throws UserError; a size may have been changed then, when the rest is refused
 */
export async function remount(
  mountpointText: string,
  raw: RawOptions,
  invoker: Invoker,
  sizeIsAsked = true,
): Promise<MountStatus> {
  const mountpoint = absolutePath(mountpointText, invoker.directory);
  const what = `remount ${mountpoint}`;
  if (!invoker.root) {
    throw new UserError(what, "only root can change a mount", {
      code: "EPERM",
      cure: `run as root; for the size alone, truncate -s SIZE ${quote(`${mountpoint}/disk`)}`,
    });
  }
  const disk = await findMount(mountpoint);
  if (disk === null) throw notThere(what, mountpoint);
  const record = readMountRecords().find((other) => other.mountpoint === disk.mountpoint) ?? null;
  refuseOthers(raw, record, invoker);
  const sizeBytes = newSize(what, disk, raw, sizeIsAsked);
  // A disk is writable while its size changes, whatever it is before and afterwards.
  if (raw.readOnly === false && disk.readOnly) allowWriting(what, disk, record);
  if (sizeBytes !== disk.sizeBytes) {
    if (disk.readOnly && raw.readOnly !== false) {
      const cure = `mount -o remount,rw,size=${raw.size} ${quote(mountpoint)}`;
      throw new UserError(what, "the size of a read-only disk cannot be changed", { code: "EROFS", cure });
    }
    await resizeDisk({ ...disk, readOnly: false }, sizeBytes);
  }
  if (raw.readOnly === true && !disk.readOnly) refuseWriting(what, disk);
  return (await findMount(mountpoint)) ?? disk;
}

/** For people: what a disk is now. */
export function describeRemounted(disk: MountStatus): void {
  printLine(`${quote(disk.file)}: ${formatBytes(disk.sizeBytes)}, ${disk.readOnly ? "read-only" : "read-write"}`);
  for (const device of disk.loopDevices) printLine(`  to make ${device} notice a new size: losetup -c ${device}`);
}

function notThere(what: string, mountpoint: string): UserError {
  const there = mountOn(mountpoint, readMounts());
  if (there !== null && KMEMFS_TYPES.has(there.fsType)) {
    return new UserError(what, "no holder run by root answers for this mount", {
      code: "ENOTCONN",
      cure: `kmemfs recover ${quote(mountpoint)}, if it is dead`,
    });
  }
  return new UserError(what, "not a kmemfs disk", { code: "EINVAL", cure: "without remount" });
}

/** @throws UserError for an option that says something else than the mount was begun with */
function refuseOthers(raw: RawOptions, record: MountOptions | null, invoker: Invoker): void {
  const rows: Readonly<Record<string, { field?: keyof MountOptions; remounts?: true }>> = { ...VALUES, ...TOGGLES };
  const others = (Object.keys(raw) as OptionName[]).filter((name) => rows[name].remounts !== true);
  if (others.length === 0) return;
  const pool = record?.pool.kind === "path" ? record.pool.path : record?.pool.kind;
  const place = { mountpoint: record?.mountpoint ?? "/", fuseDirectory: record?.fuseDirectory ?? "/" };
  const { size: _size, readOnly: _readOnly, ...rest } = raw;
  const asked = toMountOptions(pool, place, rest, invoker);
  for (const name of others) {
    const { field } = rows[name];
    if (record !== null && field !== undefined && asked[field] === record[field]) continue;
    throw wrongUsage(
      `-o remount,${optionKey(name)}`,
      "cannot be changed while mounted",
      "unmount it and mount it again",
    );
  }
}

/** The size that `raw` ask for, or the one that it has. @throws UserError when it cannot have it */
function newSize(what: string, disk: MountStatus, { size }: RawOptions, sizeIsAsked: boolean): number {
  const has = disk.sizeBytes;
  if (size === undefined) return has;
  const sizeBytes = parsePageSizeFloor(size, `size ${size}`);
  if (sizeBytes > disk.maxSizeBytes) {
    throw new UserError(what, `the pool was formatted for at most ${formatBytes(disk.maxSizeBytes)}`, {
      code: "EFBIG",
      cure: `a new pool with max-size=${size}`,
    });
  }
  if (sizeBytes >= has) return sizeBytes;
  if (!sizeIsAsked) {
    printErrorLine(
      `kmemfs: ${what}: its size stays ${formatBytes(has)}; the smaller size=${size} comes only from fstab`,
    );
    return has;
  }
  const [loop] = disk.loopDevices;
  if (loop !== undefined) {
    throw busy(what, [`${loop} would be truncated`], `kmemfs down ${quote(disk.mountpoint)}`);
  }
  if (hasDataBeyond(disk, sizeBytes)) {
    throw busy(
      what,
      [`data beyond ${formatBytes(sizeBytes)} would be lost`],
      `fallocate -p -o ${sizeBytes} -l ${has - sizeBytes} ${quote(disk.file)}, which discards it`,
    );
  }
  return sizeBytes;
}

function allowWriting(what: string, disk: MountStatus, record: MountOptions | null): void {
  if (disk.damage !== null) {
    const cure = "unmount it, then kmemfs check";
    throw new UserError(what, `the pool is damaged: ${disk.damage}`, { code: "EROFS", cure });
  }
  if (record?.readOnly === true) {
    throw new UserError(what, "it was mounted read-only, so its pool is open for reading only", {
      code: "EROFS",
      cure: "unmount it and mount it again without ro",
    });
  }
  const errno = remountExactly(what, fuseMountOf(what, disk), false);
  if (errno !== 0) throw new UserError(what, "the kernel refused it", { code: errnoName(errno) });
}

function refuseWriting(what: string, disk: MountStatus): void {
  const errno = remountExactly(what, fuseMountOf(what, disk), true);
  if (errno === 0) return;
  if (errno !== EBUSY) throw new UserError(what, "the kernel refused it", { code: errnoName(errno) });
  const writers = disk.loopDevices.filter((loop) => readText(`/sys/block/${basename(loop)}/ro`)?.trim() !== "1");
  const [loop] = writers;
  if (loop !== undefined) {
    const reason = `${writers.join(", ")} can write to the disk`;
    throw busy(what, [reason], `unmount what is on it, then losetup -d ${loop}`);
  }
  const holders = usersOfMount(dirname(disk.file));
  const who = holders.length === 0 ? "something" : describeUsers(holders);
  throw busy(what, [`${who} has the disk open for writing`], "stop it and try again");
}
