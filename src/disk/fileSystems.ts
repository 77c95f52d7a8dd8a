/**
 * File systems on a block device. A device is formatted only when it is known
 * to be blank: blkid found nothing on it and its first blocks can be read.
 */
import { UserError } from "../base/errors.js";
import { KIB, MIB } from "../base/units.js";
import type { MountEntry } from "../linux/proc/mounts.js";
import { complaint, requireCommand, run, runOk } from "../linux/process/command.js";
import type { MountStatus } from "../mounts/status.js";
import { makeCalls } from "./call.js";

export const FILE_SYSTEMS = ["ext4", "xfs", "btrfs"] as const;
export type FileSystemType = (typeof FILE_SYSTEMS)[number];

/**
 * The least size of a disk that mkfs makes each on and mount(2) mounts: tried with e2fsprogs 1.47,
 * xfsprogs 6.1 and btrfs-progs 6.2. Older xfsprogs take less; what they made is not supported.
 */
const LEAST_BYTES: Readonly<Record<FileSystemType, number>> = { ext4: 256 * KIB, xfs: 300 * MIB, btrfs: 109 * MIB };

/** @throws UserError when a disk of `sizeBytes` is too small for `type`, with the least size that is not */
export function requireSize(what: string, type: FileSystemType, sizeBytes: number): void {
  const least = LEAST_BYTES[type];
  if (sizeBytes >= least) return;
  const size = least < MIB ? `${least / KIB}K` : `${least / MIB}M`;
  throw new UserError(what, `${sizeBytes} bytes is too small for ${type}, which needs at least ${size}`, {
    code: "ENOSPC",
    cure: type === "ext4" ? `--size ${size}` : `--size ${size}, or --fs ext4`,
  });
}

export type DeviceContent =
  | { readonly kind: "blank" }
  | { readonly kind: "fileSystem"; readonly type: string }
  | { readonly kind: "other"; readonly name: string };

/** blkid(8): 2 is nothing found (or nothing readable), 8 is several at once. */
const BLKID_NOTHING = 2;
const BLKID_AMBIVALENT = 8;
const MKFS_TIMEOUT_MS = 300_000;
const MOUNT_TIMEOUT_MS = 60_000;
/** Unmounting writes dirty data back, perhaps to a slow disk. */
const UNMOUNT_TIMEOUT_MS = 300_000;
const TRIM_TIMEOUT_MS = 600_000;

/** What `blkid -p -o export` printed, by name. */
function exported(text: string): Map<string, string> {
  const pairs = text.split("\n").map((line): [string, string] => {
    const equals = line.indexOf("=");
    return [line.slice(0, equals), line.slice(equals + 1)];
  });
  return new Map(pairs);
}

/** What is on `device`, without any cache. */
export async function probeDevice(device: string): Promise<DeviceContent> {
  const what = `blkid ${device}`;
  const result = await run("blkid", ["-p", "-o", "export", device]);
  if (result.exitCode === BLKID_AMBIVALENT) return { kind: "other", name: "more than one signature" };
  if (result.exitCode === BLKID_NOTHING) {
    // Exit code 2 also stands for a device that cannot be read.
    await runOk(`read ${device}`, "dd", [`if=${device}`, "of=/dev/null", "bs=64K", "count=2", "status=none"]);
    return { kind: "blank" };
  }
  if (result.exitCode !== 0) throw new UserError(what, complaint(result));
  const values = exported(result.stdout);
  const type = values.get("TYPE");
  if (type !== undefined && values.get("USAGE") === "filesystem") return { kind: "fileSystem", type };
  const table = values.get("PTTYPE");
  return { kind: "other", name: type ?? (table === undefined ? "unrecognised data" : `a ${table} partition table`) };
}

/**
 * The arguments that suit a blank sparse file: nothing to discard, and for
 * ext4 nothing to zero, as holes read as zeros: no memory, no background thread.
 */
const MKFS_ARGS: Readonly<Record<FileSystemType, readonly string[]>> = {
  ext4: ["-q", "-b", "4096", "-E", "nodiscard,assume_storage_prezeroed=1"],
  xfs: ["-q", "-K"],
  btrfs: ["-q", "-K"],
};
/** e2fsprogs before 1.46.4 does not know assume_storage_prezeroed. */
const OLD_EXT4_ARGS: readonly string[] = ["-q", "-b", "4096", "-E", "nodiscard,lazy_itable_init=1,lazy_journal_init=1"];
/** For a file that is not all holes but has no signature: mkfs zeroes what it relies on. */
const USED_EXT4_ARGS: readonly string[] = ["-q", "-b", "4096", "-E", "discard,lazy_itable_init=0,lazy_journal_init=0"];

/** Bytes looked at, at the beginning and at the end of a device. */
const LOOK_BYTES = 1024 * 1024;

/** True when the beginning and the end of `device` read as zeros. */
export async function isBlank(device: string, sizeBytes: number): Promise<boolean> {
  const lengthBytes = Math.min(LOOK_BYTES, sizeBytes);
  for (const at of [0, sizeBytes - lengthBytes]) {
    const range = ["-n", String(lengthBytes), "-i", `${at}:0`];
    if ((await run("cmp", ["-s", ...range, device, "/dev/zero"])).exitCode !== 0) return false;
  }
  return true;
}

/**
 * Options of a file system on a private pool, where a flush has nothing to do and nothing to tell: SQLite with a
 * transaction an insert, four rounds, 1.17 times as many. xfs has no such option. On a pool with a path a flush tells
 * that somebody made it shorter.
 */
const PRIVATE_OPTIONS: Readonly<Record<string, readonly string[]>> = { ext4: ["nobarrier"], btrfs: ["nobarrier"] };

/** The options that a disk's own properties ask for, as mount(8) takes them. */
export function mountOptionsFor(type: string, { readOnly, pool }: MountStatus): readonly string[] {
  return [...(readOnly ? ["ro"] : []), ...(pool.path === null ? (PRIVATE_OPTIONS[type] ?? []) : [])];
}

export function requireMkfs(what: string, type: FileSystemType): void {
  requireCommand(what, `mkfs.${type}`);
}

/** @param allHoles true when the file holds nothing at all */
export async function makeFileSystem(
  type: FileSystemType,
  device: string,
  allHoles: boolean,
  signal?: AbortSignal,
): Promise<void> {
  const command = `mkfs.${type}`;
  const options = { timeoutMs: MKFS_TIMEOUT_MS, signal };
  const args = type === "ext4" && !allHoles ? USED_EXT4_ARGS : MKFS_ARGS[type];
  let result = await run(command, [...args, device], options);
  if (result.exitCode !== 0 && /bad option\(s\) specified/i.test(result.stderr)) {
    result = await run(command, [...OLD_EXT4_ARGS, device], options);
  }
  if (result.exitCode !== 0) throw new UserError(`${command} ${device}`, complaint(result));
}

export async function mountFileSystem(
  type: string,
  device: string,
  directory: string,
  mountOptions: readonly string[] = [],
): Promise<void> {
  const extra = mountOptions.length === 0 ? [] : ["-o", mountOptions.join(",")];
  await runOk(`mount ${directory}`, "mount", ["-t", type, ...extra, device, directory], {
    timeoutMs: MOUNT_TIMEOUT_MS,
  });
}

/** @throws UserError */
export async function unmountFileSystem(mount: MountEntry): Promise<void> {
  const what = `umount ${mount.mountpoint}`;
  await makeCalls(what, [{ act: "unmount", mount }], { timeoutMs: UNMOUNT_TIMEOUT_MS });
}

/** Writes dirty data back. This fails when the pool is full, which is not a reason to stop. */
export async function syncFileSystems(mounts: readonly MountEntry[], signal?: AbortSignal): Promise<void> {
  const calls = mounts.map((mount) => ({ act: "sync", mount, mayFail: true }) as const);
  await makeCalls("sync", calls, { timeoutMs: TRIM_TIMEOUT_MS, signal });
}

/**
 * Discards what the file system does not use. The blocks of a file deleted just now are free only
 * once that is committed (ext4's journal, btrfs' transaction), so it is to be synced before.
 * @returns bytes that it asked to discard
 */
export async function trimFileSystem(mount: MountEntry, signal?: AbortSignal): Promise<number> {
  const what = `trim ${mount.mountpoint}`;
  const [bytes] = await makeCalls(what, [{ act: "trim", mount }], { timeoutMs: TRIM_TIMEOUT_MS, signal });
  return bytes as number;
}
