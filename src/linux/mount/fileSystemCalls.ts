/** Calls on a mounted file system as a whole, through an fd that was verified to be on it. All may block. */
import type { Errno } from "../../base/units.js";
import { FITHAW, FITRIM } from "../syscall/constants.js";
import { errnoOf, ioctl, syncfs } from "../syscall/libc.js";
import { type MountIdentity, openExactly } from "./mountHandle.js";

// struct fstrim_range (linux/fs.h): start, length, least extent.
const RANGE_BYTES = 24;
const LENGTH_AT = 8;
const WHOLE = 0xffff_ffff;

function onFileSystem<Result>(what: string, mount: MountIdentity, act: (fd: number) => Result): Result {
  const handle = openExactly(what, mount, "read");
  try {
    return act(handle.fd);
  } finally {
    handle.close();
  }
}

/** Writes dirty data back. @returns 0 or a positive errno */
export function syncFileSystemOn(what: string, mount: MountIdentity): Errno {
  return onFileSystem(what, mount, (fd) => errnoOf(syncfs(fd)));
}

/** Discards what the file system does not use. @returns bytes that it asked to discard, or -errno */
export function trimFileSystemOn(what: string, mount: MountIdentity): number {
  return onFileSystem(what, mount, (fd) => {
    const range = new Uint8Array(RANGE_BYTES);
    const words = new Uint32Array(range.buffer);
    words.fill(WHOLE, LENGTH_AT / 4, LENGTH_AT / 4 + 2);
    const result = ioctl(fd, FITRIM, range);
    return result < 0 ? result : words[LENGTH_AT / 4] + words[LENGTH_AT / 4 + 1] * 0x1_0000_0000;
  });
}

/** Thaws a frozen file system. @returns 0, EINVAL when it was not frozen, or another positive errno */
export function thawFileSystemOn(what: string, mount: MountIdentity): Errno {
  return onFileSystem(what, mount, (fd) => errnoOf(ioctl(fd, FITHAW, new Uint8Array(8))));
}
