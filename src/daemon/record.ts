/**
 * What it takes to mount a disk again when its holder was killed: a file in the
 * state directory, for as long as the mount is there.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { MountOptions } from "./options.js";
import { recordPath, stateDirectory } from "./stateDirectory.js";

/** Never throws: a mount without its record only takes more words to bring back. */
export function writeRecord(options: MountOptions): void {
  try {
    writeFileSync(recordPath(options.mountpoint), JSON.stringify(options), { mode: 0o600 });
  } catch {
    // A full or read-only /run.
  }
}

/** Never throws. */
export function removeRecord(mountpoint: string): void {
  try {
    rmSync(recordPath(mountpoint), { force: true });
  } catch {
    // `kmemfs recover` removes it.
  }
}

/** As `removeRecord`, of the disk whose FUSE mount is at `fuseDirectory`. */
export function removeRecordAt(fuseDirectory: string): void {
  const record = readRecords().find((options) => options.fuseDirectory === fuseDirectory);
  if (record !== undefined) removeRecord(record.mountpoint);
}

/** The records of all mounts of this user, whether they still run or not. */
export function readRecords(): MountOptions[] {
  const directory = stateDirectory();
  try {
    return readdirSync(directory)
      .filter((name) => name.endsWith(".json"))
      .map((name) => parseRecord(readFileSync(join(directory, name), "utf8")))
      .filter((record) => record !== null);
  } catch {
    return [];
  }
}

/** The record in `text`; null for one that was cut off or is of another version. */
export function parseRecord(text: string): MountOptions | null {
  try {
    const record = JSON.parse(text) as MountOptions;
    const { mountpoint, fuseDirectory, pool, io } = record;
    const isWhole = [mountpoint, fuseDirectory, pool.kind, io].every((field) => typeof field === "string");
    return isWhole ? record : null;
  } catch {
    return null;
  }
}
