/** Attaching and detaching loop devices, by the ioctls of linux/loop.h. */
import { closeSync } from "node:fs";
import { readU64 } from "../../base/bytes.js";
import { EBUSY, EINVAL, ENOENT, ENOTTY, ENXIO, errnoName } from "../../base/errno.js";
import { UserError } from "../../base/errors.js";
import type { Errno } from "../../base/units.js";
import {
  BLKGETDISKSEQ,
  LO_FLAGS_DIRECT_IO,
  LO_FLAGS_READ_ONLY,
  LOOP_CLR_FD,
  LOOP_CONFIGURE,
  LOOP_CTL_GET_FREE,
  LOOP_GET_STATUS64,
  LOOP_SET_BLOCK_SIZE,
  LOOP_SET_CAPACITY,
  LOOP_SET_DIRECT_IO,
  LOOP_SET_FD,
  LOOP_SET_STATUS64,
  O_CLOEXEC,
  O_RDONLY,
  O_RDWR,
} from "../syscall/constants.js";
import { errnoOf, ioctl, ioctlNumber, open } from "../syscall/libc.js";

const CONTROL = "/dev/loop-control";
const NOTHING = new Uint8Array(8);

// struct loop_info64 and struct loop_config around it (linux/loop.h).
const INFO_BYTES = 232;
const INFO_FLAGS_AT = 52;
const INFO_NAME_AT = 56;
const NAME_BYTES = 64;
const CONFIG_BYTES = 304;
const CONFIG_BLOCK_SIZE_AT = 4;
const CONFIG_INFO_AT = 8;

/** Another process may take the free device that the kernel named. */
const MOST_TRIES = 100;

export interface LoopWishes {
  readonly readOnly: boolean;
  /** A power of two from 512 to 4096. */
  readonly sectorBytes: number;
  /** Shown by losetup(8); cut off at 63 bytes. */
  readonly name: string;
}

/**
 * Makes a block device of the open file `fileFd`, with direct I/O.
 * @returns its path
 * @throws UserError ENXIO without a free device, ENOENT without loop devices, EACCES, EPERM, …
 */
export function attachLoopDevice(what: string, fileFd: number, wishes: LoopWishes): string {
  const control = open(CONTROL, O_RDWR | O_CLOEXEC);
  if (control < 0) throw noLoopDevices(what, control);
  try {
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const number = ioctl(control, LOOP_CTL_GET_FREE, NOTHING);
      if (number < 0) throw noneFree(what, number);
      const path = `/dev/loop${number}`;
      const result = configure(path, fileFd, wishes);
      if (result === 0) return path;
      if (result !== -EBUSY) throw refused(what, path, result);
    }
  } finally {
    closeSync(control);
  }
  throw noneFree(what, -EBUSY);
}

/** @returns 0 or -errno: EBUSY when another process was faster */
function configure(path: string, fileFd: number, wishes: LoopWishes): number {
  const device = open(path, O_RDWR | O_CLOEXEC);
  if (device < 0) return device;
  try {
    const config = new Uint8Array(CONFIG_BYTES);
    const view = new DataView(config.buffer);
    view.setUint32(0, fileFd, true);
    view.setUint32(CONFIG_BLOCK_SIZE_AT, wishes.sectorBytes, true);
    config.set(infoOf(wishes), CONFIG_INFO_AT);
    const result = ioctl(device, LOOP_CONFIGURE, config);
    const isUnknown = result === -ENOTTY || result === -EINVAL;
    return isUnknown ? configureInSteps(device, fileFd, wishes) : Math.min(0, result);
  } finally {
    closeSync(device);
  }
}

/** For kernels before 5.8, which have no LOOP_CONFIGURE. */
function configureInSteps(device: number, fileFd: number, wishes: LoopWishes): number {
  const result = ioctlNumber(device, LOOP_SET_FD, fileFd);
  if (result < 0) return result;
  const named = ioctl(device, LOOP_SET_STATUS64, infoOf({ ...wishes, readOnly: false }));
  const sized = named < 0 ? named : ioctlNumber(device, LOOP_SET_BLOCK_SIZE, wishes.sectorBytes);
  if (sized < 0) {
    ioctl(device, LOOP_CLR_FD, NOTHING);
    return sized;
  }
  // A file system that cannot do direct I/O is read and written through the page cache.
  ioctlNumber(device, LOOP_SET_DIRECT_IO, 1);
  return 0;
}

function infoOf({ readOnly, name }: LoopWishes): Uint8Array {
  const info = new Uint8Array(INFO_BYTES);
  new DataView(info.buffer).setUint32(INFO_FLAGS_AT, LO_FLAGS_DIRECT_IO | (readOnly ? LO_FLAGS_READ_ONLY : 0), true);
  info.set(new TextEncoder().encode(name).subarray(0, NAME_BYTES - 1), INFO_NAME_AT);
  return info;
}

/**
 * Detaches the loop device `path`; the kernel does so once its last user has closed it.
 * @param diskSeq its `readDiskSeq`, as the device may have been given to another file since
 * @returns 0, also when it is already detached or belongs to another file; or a positive errno
 */
export function detachLoopDevice(path: string, diskSeq: string | null): Errno {
  const device = open(path, O_RDONLY | O_CLOEXEC);
  if (device === -ENXIO || device === -ENOENT) return 0;
  if (device < 0) return -device;
  try {
    const now = readDiskSeq(device);
    if (diskSeq !== null && now !== null && now !== diskSeq) return 0;
    const errno = errnoOf(ioctl(device, LOOP_CLR_FD, NOTHING));
    return errno === ENXIO ? 0 : errno;
  } finally {
    closeSync(device);
  }
}

/** Adjusts a loop device to the size of its file, which asks the file's server. @returns 0 or a positive errno */
export function refreshLoopSize(path: string): Errno {
  const device = open(path, O_RDONLY | O_CLOEXEC);
  if (device < 0) return -device;
  const errno = errnoOf(ioctl(device, LOOP_SET_CAPACITY, NOTHING));
  closeSync(device);
  return errno;
}

/** The number that the kernel gives to each use of a block device, once (Linux 5.15); null before. */
function readDiskSeq(device: number): string | null {
  const words = new Uint32Array(2);
  const result = ioctl(device, BLKGETDISKSEQ, new Uint8Array(words.buffer));
  return result < 0 ? null : String(readU64(words, 0));
}

/** The file of a loop device. */
export interface LoopBacking {
  /** `MAJ:MIN` of the file system of its file, decimal, as in mountinfo. */
  readonly majorMinor: string;
  readonly inode: number;
}

/**
 * Asks the file system of the file, and waits for its answer: only where that may block.
 * @returns what it is on, or a positive errno: ENOTCONN on a dead FUSE mount, ENXIO on nothing
 */
export function readLoopBacking(path: string): LoopBacking | Errno {
  const device = open(path, O_RDONLY | O_CLOEXEC);
  if (device < 0) return -device;
  try {
    const words = new Uint32Array(INFO_BYTES / 4);
    const result = ioctl(device, LOOP_GET_STATUS64, new Uint8Array(words.buffer));
    if (result < 0) return -result;
    // huge_encode_dev in linux/kdev_t.h.
    const device32 = words[0];
    const major = (device32 >>> 8) & 0xfff;
    const minor = (device32 & 0xff) | ((device32 >>> 12) & 0xfff00);
    return { majorMinor: `${major}:${minor}`, inode: readU64(words, 2) };
  } finally {
    closeSync(device);
  }
}

function noLoopDevices(what: string, result: number): UserError {
  const code = errnoName(-result);
  if (result === -ENOENT)
    return new UserError(what, "loop devices are not available", {
      code,
      cure: "modprobe loop; in a container: docker run --device /dev/loop-control",
    });
  return new UserError(what, `${CONTROL} cannot be opened`, { code, cure: "run as root" });
}

function noneFree(what: string, result: number): UserError {
  return new UserError(what, "no loop device is free", {
    code: errnoName(-result),
    cure: "losetup -a, to see what they are used for",
  });
}

function refused(what: string, path: string, result: number): UserError {
  const code = errnoName(-result);
  if (result === -ENOENT) {
    const number = path.slice("/dev/loop".length);
    return new UserError(what, `${path} has no device node`, { code, cure: `mknod ${path} b 7 ${number}` });
  }
  return new UserError(what, `${path} cannot be attached`, { code });
}
