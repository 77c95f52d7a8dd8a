/**
 * What is needed to mount a disk again after its holder was killed, and to describe
 * the holder without asking it: a file in the state directory that exists as long as
 * the mount.
 */
import { readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { LoopNodes } from "../linux/proc/loopDevices.js";
import type { MountEntry } from "../linux/proc/mounts.js";
import { readNames, readText } from "../linux/proc/procFile.js";
import type { MountOptions } from "./options.js";
import { FIELDS_OTHERWISE } from "./optionTable.js";
import { diskId, diskPaths, idOfFuse, idPaths, removeQuietly, stateDirectory } from "./stateDirectory.js";

/** What only the running holder knows of its mount. */
export interface HolderIdentity {
  readonly pid: number;
  /** With the pid it names one process, in its pid namespace. */
  readonly startTicks: string;
}

/** What a disk was asked for. The others count in the boot that they are of. */
export type MountRecord = MountOptions & { readonly holder?: HolderIdentity; readonly seen?: SeenDisk };

/** What its holder saw of a disk last: it finds what a killed one leaves, also where no mount shows it any more. */
export interface SeenDisk {
  /** `MAJ:MIN` of the FUSE mount. */
  readonly device: string | null;
  readonly loops: readonly Pick<LoopNodes, "path" | "diskSeq">[];
  /** Memory or media that the pool held. */
  readonly heldBytes: number;
}

/** Never throws: a mount without its record can still be recovered with more arguments. Replaces it atomically. */
export function writeMountRecord(record: MountRecord): void {
  const path = diskPaths(record.mountpoint).record;
  try {
    writeFileSync(`${path}.new`, JSON.stringify({ ...record, boot: bootId() }), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  } catch {
    // A full or read-only /run.
  }
}

function bootId(): string {
  return readText("/proc/sys/kernel/random/boot_id")?.trim() ?? "";
}

/** Never throws. */
export function removeMountRecord(mountpoint: string): void {
  removeQuietly(diskPaths(mountpoint).record);
}

/**
 * The records of all mounts of this user, whether they still run or not. The last written comes first: a device
 * number that several saw is that one's, as the kernel gave it to the others earlier.
 */
export function readMountRecords(): MountRecord[] {
  const directory = stateDirectory();
  return readNames(directory)
    .filter((name) => name.endsWith(".json"))
    .map((name) => readRecordFile(join(directory, name)))
    .filter((found) => found !== null)
    .sort((a, b) => b.writtenMs - a.writtenMs)
    .map(({ record }) => record);
}

/** Null also for one that is removed meanwhile. */
function readRecordFile(path: string): { readonly record: MountRecord; readonly writtenMs: number } | null {
  try {
    const record = parseMountRecord(readFileSync(path, "utf8"));
    return record === null ? null : { record, writtenMs: statSync(path).mtimeMs };
  } catch {
    return null;
  }
}

/** The record of the disk with this id, or null. */
export function readMountRecord(id: string): MountRecord | null {
  return readRecordFile(idPaths(id).record)?.record ?? null;
}

/**
 * The id of the disk whose FUSE mount `mount` is: one that was moved is called as before.
 * @param records as `readMountRecords` has them
 */
export function idOf(
  mount: Pick<MountEntry, "mountpoint" | "majorMinor">,
  records: readonly MountRecord[] = readMountRecords(),
): string {
  const isHere = records.some(({ fuseDirectory }) => fuseDirectory === mount.mountpoint);
  const record = isHere ? undefined : records.find(({ seen }) => seen?.device === mount.majorMinor);
  return record === undefined ? idOfFuse(mount.mountpoint) : diskId(record.mountpoint);
}

/** The record in `text`; null for one that was cut off. What another version did not write down is as if not given. */
export function parseMountRecord(text: string): MountRecord | null {
  try {
    const { holder, seen, boot, ...noted } = JSON.parse(text) as MountRecord & { readonly boot?: string };
    const options = { ...FIELDS_OTHERWISE, ...noted };
    const { mountpoint, fuseDirectory, pool } = options;
    const isPlaced = [mountpoint, fuseDirectory, pool.kind].every((field) => typeof field === "string");
    const isWhole = Object.entries(FIELDS_OTHERWISE).every(
      ([field, otherwise]) => typeof options[field as keyof MountOptions] === typeof otherwise,
    );
    if (!isPlaced || !isWhole) return null;
    // Numbers of another boot are somebody else's now.
    if (boot !== bootId()) return options;
    const isKnown = typeof holder?.pid === "number" && typeof holder.startTicks === "string";
    const hasSeen = typeof seen?.heldBytes === "number" && Array.isArray(seen.loops);
    return { ...options, ...(isKnown ? { holder } : {}), ...(hasSeen ? { seen } : {}) };
  } catch {
    return null;
  }
}
