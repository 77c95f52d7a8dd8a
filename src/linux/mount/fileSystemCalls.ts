/** Calls on a mounted file system as a whole, through an fd that was verified to be on it. All may block. */
import type { Errno } from "../../base/units.js";
import { FITHAW, FITRIM } from "../syscall/constants.js";
import { errnoOf } from "../syscall/foreign.js";
import { ioctl, syncfs } from "../syscall/libc.js";
import { fstrim_range, StructMemory } from "../syscall/structs.js";
import { type MountHandle, type MountIdentity, onMount } from "./mountHandle.js";

/** Writes dirty data back. @returns 0 or a positive errno */
export function syncFileSystemOn(what: string, mount: MountIdentity): Errno {
  return onMount(what, mount, ({ fd }) => errnoOf(syncfs(fd)), "read");
}

/** Discards what the file system does not use. @returns bytes that it asked to discard, or -errno */
export function trimFileSystemOn(what: string, mount: MountIdentity): number {
  const trim = ({ fd }: MountHandle): number => {
    // All of it: a length that is cut off at the file system's end.
    const range = new StructMemory(fstrim_range).set({ len: Number.MAX_SAFE_INTEGER });
    const result = ioctl(fd, FITRIM, range.bytes);
    return result < 0 ? result : range.get("len");
  };
  return onMount(what, mount, trim, "read");
}

/** Thaws a frozen file system. @returns 0, EINVAL when it was not frozen, or another positive errno */
export function thawFileSystemOn(what: string, mount: MountIdentity): Errno {
  return onMount(what, mount, ({ fd }) => errnoOf(ioctl(fd, FITHAW, new Uint8Array(8))), "read");
}
