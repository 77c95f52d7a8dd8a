/**
 * What it takes to mount a disk again when its holder was killed, and what tells
 * of the holder without asking it: a file in the state directory, for as long as
 * the mount is there.
 */
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { LoopNodes } from "../linux/proc/loopDevices.js";
import type { MountEntry } from "../linux/proc/mounts.js";
import type { MountOptions } from "./options.js";
import { diskId, idOfFuse, idPaths, recordPath, stateDirectory } from "./stateDirectory.js";

/** What only the running holder knows of its mount. Another version's may have other fields. */
export interface HolderIdentity {
  readonly pid: number;
  /** With the pid it names one process, in its pid namespace. */
  readonly startTicks: string;
}

/** What a disk was asked for. The record of an older version has neither of the others. */
export type MountRecord = MountOptions & { readonly holder?: HolderIdentity; readonly seen?: SeenDisk };

/** What its holder saw of a disk last: it finds what a killed one leaves, also where no mount shows it any more. */
export interface SeenDisk {
  /** `MAJ:MIN` of the FUSE mount. */
  readonly device: string | null;
  readonly loops: readonly Pick<LoopNodes, "path" | "diskSeq">[];
  /** Memory or media that the pool held. */
  readonly heldBytes: number;
}

/** Never throws: a mount without its record only takes more words to bring back. Replaces the whole of it or nothing. */
export function writeMountRecord(record: MountRecord): void {
  const path = recordPath(record.mountpoint);
  try {
    writeFileSync(`${path}.new`, JSON.stringify(record), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  } catch {
    // A full or read-only /run.
  }
}

/** Never throws. */
export function removeMountRecord(mountpoint: string): void {
  try {
    rmSync(recordPath(mountpoint), { force: true });
  } catch {
    // `kmemfs recover` removes it.
  }
}

/** The records of all mounts of this user, whether they still run or not. */
export function readMountRecords(): MountRecord[] {
  const directory = stateDirectory();
  try {
    return readdirSync(directory)
      .filter((name) => name.endsWith(".json"))
      .map((name) => parseMountRecord(readFileSync(join(directory, name), "utf8")))
      .filter((record) => record !== null);
  } catch {
    return [];
  }
}

/** The record of the disk with this id, or null. */
export function readMountRecord(id: string): MountRecord | null {
  try {
    return parseMountRecord(readFileSync(idPaths(id).record, "utf8"));
  } catch {
    return null;
  }
}

/** The id of the disk whose FUSE mount `mount` is: one that was moved is called as before. */
export function idOf(
  mount: Pick<MountEntry, "mountpoint" | "majorMinor">,
  records: readonly MountRecord[] = readMountRecords(),
): string {
  const isHere = records.some(({ fuseDirectory }) => fuseDirectory === mount.mountpoint);
  const record = isHere ? undefined : records.find(({ seen }) => seen?.device === mount.majorMinor);
  return record === undefined ? idOfFuse(mount.mountpoint) : diskId(record.mountpoint);
}

/** The record in `text`; null for one that was cut off or is of another version. */
export function parseMountRecord(text: string): MountRecord | null {
  try {
    const { holder, seen, ...options } = JSON.parse(text) as MountRecord;
    const { mountpoint, fuseDirectory, pool, io } = options;
    const isWhole = [mountpoint, fuseDirectory, pool.kind, io].every((field) => typeof field === "string");
    if (!isWhole) return null;
    const isKnown = typeof holder?.pid === "number" && typeof holder.startTicks === "string";
    const hasSeen = typeof seen?.heldBytes === "number" && Array.isArray(seen.loops);
    return { ...options, ...(isKnown ? { holder } : {}), ...(hasSeen ? { seen } : {}) };
  } catch {
    return null;
  }
}
