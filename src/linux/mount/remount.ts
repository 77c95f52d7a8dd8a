/** mount(2) with MS_REMOUNT: whether a mount, and the file system behind it, can be written to. */
import type { Errno } from "../../base/units.js";
import type { MountEntry } from "../proc/mounts.js";
import {
  MS_DIRSYNC,
  MS_LAZYTIME,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_NOSYMFOLLOW,
  MS_RDONLY,
  MS_REMOUNT,
  MS_SYNCHRONOUS,
} from "../syscall/constants.js";
import { errnoOf } from "../syscall/foreign.js";
import { mount } from "../syscall/libcMount.js";
import { onMount } from "./mountHandle.js";

/** Flags that MS_REMOUNT clears unless they are given again. Not atime: path_mount() keeps that by default. */
const KEPT: Readonly<Record<string, number>> = {
  nosuid: MS_NOSUID,
  nodev: MS_NODEV,
  noexec: MS_NOEXEC,
  nosymfollow: MS_NOSYMFOLLOW,
  sync: MS_SYNCHRONOUS,
  dirsync: MS_DIRSYNC,
  lazytime: MS_LAZYTIME,
};

/**
 * Makes exactly `wanted` read-only or writable.
 * @returns 0 or a positive errno: EBUSY when a file on it is open for writing
 * @throws UserError when its path leads elsewhere
 */
export function remountExactly(what: string, wanted: MountEntry, readOnly: boolean): Errno {
  const words = wanted.options.split(",");
  const kept = words.reduce((flags, word) => flags | (KEPT[word] ?? 0), MS_REMOUNT);
  const flags = kept | (readOnly ? MS_RDONLY : 0);
  return onMount(what, wanted, ({ path }) => errnoOf(mount("none", path, "none", flags, "")));
}
