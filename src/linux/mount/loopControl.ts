/** Attaching and detaching loop devices, by the ioctls of linux/loop.h. */
import { closeSync } from "node:fs";
import { readU64 } from "../../base/bytes.js";
import { EBUSY, EINVAL, ENOENT, ENOTTY, ENXIO } from "../../base/errno.js";
import type { UserError } from "../../base/errors.js";
import type { Errno } from "../../base/units.js";
import { deviceNumbers } from "../proc/procFile.js";
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
  O_RDONLY,
  O_RDWR,
} from "../syscall/constants.js";
import { errnoOf } from "../syscall/foreign.js";
import { ioctl, ioctlNumber, open } from "../syscall/libc.js";
import { type Causes, knownError, startError } from "../syscall/startError.js";
import { loop_config, loop_info64, StructMemory } from "../syscall/structs.js";

const CONTROL = "/dev/loop-control";
const NOTHING = new Uint8Array(8);

/** Others may take the device that the kernel named before we have it. */
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
  const control = open(CONTROL, O_RDWR);
  if (control < 0) throw knownError(what, control, NO_LOOP, `${CONTROL} cannot be opened`, "run as root");
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

/** @returns what `act` gives, or -errno when the device cannot be opened */
function onDevice<Result>(path: string, flags: number, act: (device: number) => Result): Result | number {
  const device = open(path, flags);
  if (device < 0) return device;
  try {
    return act(device);
  } finally {
    closeSync(device);
  }
}

/** @returns 0 or -errno: EBUSY when another was faster */
function configure(path: string, fileFd: number, wishes: LoopWishes): number {
  return onDevice(path, O_RDWR, (device) => {
    const config = new StructMemory(loop_config).set({ fd: fileFd, block_size: wishes.sectorBytes });
    config.bytesOf("info", loop_info64.sizeBytes).set(infoOf(wishes));
    const result = ioctl(device, LOOP_CONFIGURE, config.bytes);
    const isUnknown = result === -ENOTTY || result === -EINVAL;
    return isUnknown ? configureInSteps(device, fileFd, wishes) : Math.min(0, result);
  });
}

/** Before Linux 5.8, where there is no LOOP_CONFIGURE. */
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
  const lo_flags = LO_FLAGS_DIRECT_IO | (readOnly ? LO_FLAGS_READ_ONLY : 0);
  const info = new StructMemory(loop_info64).set({ lo_flags });
  // A zero is left at its end.
  info.bytesOf("lo_file_name", 63).set(new TextEncoder().encode(name).subarray(0, 63));
  return info.bytes;
}

/**
 * Detaches the loop device `path`; the kernel does so once its last user has closed it.
 * @param diskSeq its `readDiskSeq`, as the device may have been given to another file since
 * @returns 0, also when it is already detached or belongs to another file; or a positive errno
 */
export function detachLoopDevice(path: string, diskSeq: string | null): Errno {
  const errno = errnoOf(
    onDevice(path, O_RDONLY, (device) => {
      const now = readDiskSeq(device);
      const isAnother = diskSeq !== null && now !== null && now !== diskSeq;
      return isAnother ? 0 : ioctl(device, LOOP_CLR_FD, NOTHING);
    }),
  );
  return errno === ENXIO || errno === ENOENT ? 0 : errno;
}

/** Adjusts a loop device to the size of its file, which asks the file's server. @returns 0 or a positive errno */
export function refreshLoopSize(path: string): Errno {
  return errnoOf(onDevice(path, O_RDONLY, (device) => ioctl(device, LOOP_SET_CAPACITY, NOTHING)));
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
  const info = new StructMemory(loop_info64);
  const result = onDevice(path, O_RDONLY, (device) => ioctl(device, LOOP_GET_STATUS64, info.bytes));
  if (result < 0) return -result;
  // As in a dev_t: huge_encode_dev in linux/kdev_t.h.
  const { major, minor } = deviceNumbers(info.get("lo_device"));
  return { majorMinor: `${major}:${minor}`, inode: info.get("lo_inode") };
}

const NO_LOOP: Causes = {
  [ENOENT]: ["loop devices are not available", "modprobe loop; in a container: docker run --device /dev/loop-control"],
};

function noneFree(what: string, result: number): UserError {
  return startError(what, "no loop device is free", result, "losetup -a, to see what they are used for");
}

function refused(what: string, path: string, result: number): UserError {
  const node = `mknod ${path} b 7 ${path.slice("/dev/loop".length)}`;
  return knownError(what, result, { [ENOENT]: [`${path} has no device node`, node] }, `${path} cannot be attached`);
}
