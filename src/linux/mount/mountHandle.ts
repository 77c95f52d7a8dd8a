/**
 * Acts on a mount by its identity, not by its path. A path may lead to another mount
 * by the time it is used: something was mounted over it or over a parent, or a parent
 * was renamed. So the path is opened once, the fd is verified to be on the wanted
 * mount, and the action uses that fd. Neither opening with O_PATH nor reading fdinfo
 * accesses the file system.
 */
import { closeSync } from "node:fs";
import { basename, dirname } from "node:path";
import { EAGAIN, EBUSY, ENOENT, EPERM, errnoName } from "../../base/errno.js";
import { UserError } from "../../base/errors.js";
import type { Errno } from "../../base/units.js";
import { unmountWithFusermount } from "../fuse/fusermount.js";
import { type MountEntry, mountOfPath, readMounts } from "../proc/mounts.js";
import { numberOf, readText } from "../proc/procFile.js";
import {
  MNT_DETACH,
  MNT_EXPIRE,
  MS_PRIVATE,
  MS_REC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  UMOUNT_NOFOLLOW,
} from "../syscall/constants.js";
import { errnoOf } from "../syscall/foreign.js";
import { open } from "../syscall/libc.js";
import { mount, umount2 } from "../syscall/libcMount.js";

/** The identity of a mount. Its id is reused once the mount is gone, so the device must match too. */
export type MountIdentity = Pick<MountEntry, "mountId" | "majorMinor" | "mountpoint">;

export interface MountHandle {
  readonly fd: number;
  /** Opened, it is the mount, whatever lies over it; umount2(2) goes on from it to the mount on top. */
  readonly path: string;
  close(): void;
}

/** How often unmounting is retried when something else is mounted, or accesses the mount, meanwhile. */
const MOST_TRIES = 20;

/**
 * Opens the place where `wanted` is mounted, and shows that it is that mount.
 * @param access `path`: for acts on the mount itself. `read`: for an ioctl on its file system, whose
 * server is asked; only where that may block
 * @throws UserError EBUSY when its path leads elsewhere, naming where; ENOENT when it is gone; or why it cannot be opened
 */
export function openExactly(what: string, wanted: MountIdentity, access: "path" | "read" = "path"): MountHandle {
  const flags = (access === "path" ? O_PATH : O_RDONLY) | O_NOFOLLOW;
  const fd = open(wanted.mountpoint, flags);
  if (fd < 0) {
    const cover = coverOf(wanted);
    if (cover !== null) throw covered(what, wanted, cover);
    throw new UserError(what, `${wanted.mountpoint} cannot be opened`, { code: errnoName(-fd) });
  }
  if (isOn(fd, wanted)) return { fd, path: `/proc/self/fd/${fd}`, close: () => closeSync(fd) };
  closeSync(fd);
  throw covered(what, wanted, coverOf(wanted));
}

/** Runs `act` on the mount that is meant, as `openExactly` opens it. */
export function onMount<Result>(
  what: string,
  wanted: MountIdentity,
  act: (mount: MountHandle) => Result,
  access: "path" | "read" = "path",
): Result {
  const handle = openExactly(what, wanted, access);
  try {
    return act(handle);
  } finally {
    handle.close();
  }
}

/** True when the path of `wanted` leads to it: nothing lies over it or a parent. */
export function isReachable(wanted: MountIdentity): boolean {
  const fd = open(wanted.mountpoint, O_PATH | O_NOFOLLOW);
  if (fd < 0) return false;
  try {
    return isOn(fd, wanted);
  } finally {
    closeSync(fd);
  }
}

/** True while `wanted` is in the mount table, reachable or not. */
export function isMounted(wanted: MountIdentity, mounts: readonly MountEntry[] = readMounts()): boolean {
  return mounts.some((entry) => entry.mountId === wanted.mountId && entry.majorMinor === wanted.majorMinor);
}

/** The mount that the path of `wanted` leads to in its place; null when there is none, or `wanted` is gone. */
export function coverOf(wanted: MountIdentity, mounts: readonly MountEntry[] = readMounts()): MountEntry | null {
  if (!isMounted(wanted, mounts)) return null;
  // What lies on the mount itself is its child; what lies over a parent hides the path.
  const onTop = mounts.filter((entry) => entry.parentId === wanted.mountId && entry.mountpoint === wanted.mountpoint);
  if (onTop.length > 0) return onTop.at(-1) ?? null;
  const reached = mountOfPath(wanted.mountpoint, mounts);
  return reached === null || reached.mountId === wanted.mountId ? null : reached;
}

/** That the path of `wanted` leads to `cover`, for people. Nothing was changed. */
export function covered(what: string, wanted: MountIdentity, cover: MountEntry | null): UserError {
  const { mountpoint } = wanted;
  if (cover === null) return new UserError(what, `${mountpoint} is no longer mounted`, { code: "ENOENT" });
  const reason = `${cover.fsType} (${cover.source}) is mounted over it, on ${cover.mountpoint}`;
  return new UserError(what, reason, { code: "EBUSY", cure: `umount ${cover.mountpoint}` });
}

/**
 * umount2(2) of exactly `wanted`. An fd on a mount keeps it busy, so none can be held: the
 * mount is marked as expired (MNT_EXPIRE), the mount table is shown to be the one in which the
 * path led to `wanted`, and only what carries the mark is unmounted. Whoever mounts something
 * over it in between is left alone. The directory that it is in is held meanwhile: what is mounted
 * over a parent, and may have a mark already, is never reached. Unmounting writes out what is
 * dirty, and may wait for that.
 * @returns 0 or a positive errno: EBUSY in use, ENOENT gone already, EPERM not ours
 * @throws UserError EBUSY when something lies over it; nothing was changed then
 */
export function unmountExactly(what: string, wanted: MountIdentity): Errno {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const table = readText("/proc/self/mountinfo");
    if (!isMounted(wanted)) return ENOENT;
    const place = openPlace(wanted);
    if (place === null) continue;
    try {
      openExactly(what, wanted).close();
      const marked = umount2(place.path, UMOUNT_NOFOLLOW | MNT_EXPIRE);
      // The set-uid helper takes nothing away but FUSE mounts of the same user.
      if (marked === -EPERM && process.geteuid?.() !== 0) return unmountWithFusermount(wanted.mountpoint, false);
      if (marked !== -EAGAIN) return errnoOf(marked);
      if (readText("/proc/self/mountinfo") !== table) continue;
      const result = umount2(place.path, UMOUNT_NOFOLLOW | MNT_EXPIRE);
      // Any access to the mount removes the mark.
      if (result !== -EAGAIN) return errnoOf(result);
    } finally {
      place.close();
    }
  }
  // Nothing was reached, as its path leads elsewhere: that is told.
  if (isMounted(wanted)) openExactly(what, wanted).close();
  return EBUSY;
}

/**
 * The name of `wanted` in the directory that it is mounted in, which is held open: whatever happens to a
 * parent, it leads to that name. null when the directory's path leads to another mount at the moment.
 */
function openPlace({ mountId, mountpoint }: MountIdentity): Pick<MountHandle, "path" | "close"> | null {
  const mounts = readMounts();
  const parentOf = (id: number): MountEntry | undefined => {
    const entry = mounts.find((one) => one.mountId === id);
    return entry && mounts.find((one) => one.mountId === entry.parentId);
  };
  // What it was mounted over is not what its directory is on.
  let around = parentOf(mountId);
  while (around !== undefined && around.mountpoint === mountpoint) around = parentOf(around.mountId);
  // The root of a namespace, or of a chroot, is in no directory.
  if (around === undefined) return { path: mountpoint, close: () => {} };
  const fd = open(dirname(mountpoint), O_PATH | O_DIRECTORY | O_NOFOLLOW);
  if (fd < 0) return null;
  const close = (): void => closeSync(fd);
  if (isOn(fd, around)) return { path: `/proc/self/fd/${fd}/${basename(mountpoint)}`, close };
  close();
  return null;
}

/**
 * Takes exactly `wanted` out of the directory tree, whoever uses it; it ends with its last user.
 * @param withInside what is mounted inside goes too
 * @returns 0 or a positive errno: ENOENT gone already, EPERM not ours
 * @throws UserError EBUSY when something lies over it, or is mounted inside and would go with it; or when something
 * was mounted over it at that very moment, and went in its place
 */
export function detachExactly(what: string, wanted: MountIdentity, withInside = false): Errno {
  if (!isMounted(wanted)) return ENOENT;
  const result = onMount(what, wanted, ({ path }) => {
    // As late as can be: umount2(2) takes what is on top.
    refuseChildren(what, wanted, withInside);
    const detached = umount2(path, MNT_DETACH);
    if (detached !== 0 || !isMounted(wanted)) return detached;
    const reason = `something mounted over ${wanted.mountpoint} was detached instead`;
    throw new UserError(what, reason, { code: "EBUSY", cure: "mount that again, and try again" });
  });
  if (result !== -EPERM || process.geteuid?.() === 0) return errnoOf(result);
  return unmountWithFusermount(wanted.mountpoint, true);
}

/** @throws UserError EBUSY naming what is mounted over `wanted`, or inside it unless that goes too */
function refuseChildren(what: string, wanted: MountIdentity, withInside: boolean): void {
  const mounts = readMounts();
  const children = mounts.filter((entry) => entry.parentId === wanted.mountId);
  if (children.some((entry) => entry.mountpoint === wanted.mountpoint)) {
    throw covered(what, wanted, coverOf(wanted, mounts));
  }
  const [inside] = children;
  if (inside === undefined || withInside) return;
  const reason = `${inside.mountpoint} (${inside.fsType}) is mounted inside`;
  throw new UserError(what, reason, { code: "EBUSY", cure: `umount ${inside.mountpoint}` });
}

/** Keeps what happens inside `wanted` from happening in other places of it too. @returns 0 or a positive errno */
export function makePrivate(what: string, wanted: MountIdentity, withInside: boolean): Errno {
  const flags = MS_PRIVATE | (withInside ? MS_REC : 0);
  return onMount(what, wanted, ({ path }) => errnoOf(mount("none", path, "none", flags, "")));
}

/** True when `fd` is on the mount that is meant (proc_pid_fdinfo(5)); with the fd open its number is nobody else's. */
function isOn(fd: number, wanted: MountIdentity): boolean {
  const mountId = numberOf("mnt_id", readText(`/proc/self/fdinfo/${fd}`));
  return mountId === wanted.mountId && isMounted(wanted);
}
