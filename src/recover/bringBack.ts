/** Mounts a cleared disk again: its pool, and the file system that `up` had mounted. */
import { dirname } from "node:path";
import { UserError } from "../base/errors.js";
import { bringUpFileSystem, bringUpMount } from "../disk/bringUp.js";
import type { Chosen } from "../disk/chooseFileSystem.js";
import { probeDevice } from "../disk/fileSystems.js";
import { allOrNothing, type Rollback } from "../disk/rollback.js";
import type { MountRecord } from "../mounts/mountRecord.js";
import type { MountOptions, MountPlace } from "../mounts/options.js";
import { quote } from "../mounts/paths.js";
import { diskDirectories } from "../mounts/stateDirectory.js";
import type { MountStatus } from "../mounts/status.js";
import type { DeadDisk } from "./deadDisk.js";

/** How to mount the disk again; `null` if its pool ended with its processes, or its name is not known. */
export interface WayBack {
  readonly options: MountOptions;
  /** The same as a command. */
  readonly command: string;
}

/** The options of a mount that says nothing but this. */
export type DefaultOptions = (pool: string, place: MountPlace, words: Words) => MountOptions;

export interface Words {
  readonly readOnly: boolean;
  readonly allowOther: boolean;
}

export function wayBack({ mountpoint, dead, record, poolPath }: DeadDisk, defaults: DefaultOptions): WayBack | null {
  const fuseDirectory = record?.fuseDirectory ?? dead[0].mountpoint;
  if (poolPath === null || dirname(mountpoint) === diskDirectories()) return null;
  const options: MountOptions = {
    ...defaults(poolPath, { mountpoint, fuseDirectory }, wordsOf(dead[0].options)),
    ...(record === null ? {} : asAsked(record)),
    create: false,
    foreground: false,
  };
  const [pool, place] = [quote(poolPath), quote(mountpoint)];
  const command = fuseDirectory === mountpoint ? `kmemfs mount ${pool} ${place}` : `kmemfs up ${place} --pool ${pool}`;
  return { options, command };
}

/** The pool knows its sizes; what it was made with may have been changed since. The next holder is another. */
function asAsked(record: MountRecord): MountOptions {
  const { sizeBytes: _size, maxSizeBytes: _max, poolSizeBytes: _pool, ...others } = record;
  const { holder: _holder, seen: _seen, ...options } = others;
  return options;
}

function wordsOf(mountOptions: string): Words {
  const has = (word: string): boolean => mountOptions.split(",").includes(word);
  return { readOnly: has("ro"), allowOther: has("allow_other") };
}

/**
 * All or nothing. Never makes a file system: if the one of `up` is missing, something is wrong.
 * @returns what was done, one line each
 * @throws UserError
 */
export async function bringBack({ options }: WayBack): Promise<string[]> {
  const { fuseDirectory } = options;
  return allOrNothing(async (rollback) => {
    const disk = await bringUpMount(options, rollback);
    const lines = [
      `mounted ${options.pool.kind === "path" ? options.pool.path : options.pool.kind} on ${fuseDirectory}`,
    ];
    if (disk.wasUnclean) lines.push("the pool was not closed cleanly; all of it was checked");
    return [...lines, ...(await mountOfUp(disk, rollback))];
  });
}

/**
 * Attaches a loop device and mounts what is on it, where `up` had it; does nothing for a disk of `mount`.
 * @returns what was done, a line each
 */
export async function mountOfUp(disk: MountStatus, rollback: Rollback): Promise<string[]> {
  const { mountpoint, file } = disk;
  if (dirname(file) === mountpoint) return [];
  const choose = (device: string) => existingFileSystem(device, mountpoint);
  const { type, loop } = await bringUpFileSystem(disk, { directory: mountpoint, choose }, rollback);
  return [`mounted the ${type} on ${loop.path} on ${mountpoint}`];
}

async function existingFileSystem(device: string, mountpoint: string): Promise<Chosen> {
  const content = await probeDevice(device);
  if (content.kind === "fileSystem") return { type: content.type, fresh: false };
  const found = content.kind === "blank" ? "nothing" : content.name;
  throw new UserError(`up ${mountpoint}`, `the pool holds ${found}, not a file system`, {
    cure: `kmemfs down ${quote(mountpoint)}, then kmemfs up, which makes one`,
  });
}
