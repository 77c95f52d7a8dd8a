/**
 * `/dev/fuse`: the session's fd, its clones, and the channel on one of them.
 * All fds are close-on-exec; the holder passes them on explicitly. Closing a clone
 * ends the requests read through it with EIO, so the holder keeps all of them open
 * (fuse_dev_release in the kernel's fs/fuse/dev.c).
 */
import { closeSync } from "node:fs";
import { EACCES, ENODEV, ENOENT, ENXIO, EPERM } from "../../base/errno.js";
import type { Address, Errno } from "../../base/units.js";
import { allocateBuffer } from "../syscall/buffers.js";
import {
  F_GETFL,
  F_SETFL,
  FUSE_DEV_IOC_BACKING_CLOSE,
  FUSE_DEV_IOC_BACKING_OPEN,
  FUSE_DEV_IOC_CLONE,
  O_NONBLOCK,
  O_RDWR,
} from "../syscall/constants.js";
import { errnoOf } from "../syscall/foreign.js";
import { fcntl, hasEvent, ioctl, open } from "../syscall/libc.js";
import { poll, read, write, writev } from "../syscall/libcData.js";
import { type Causes, knownError } from "../syscall/startError.js";
import { fuse_backing_map, pollfd, StructMemory } from "../syscall/structs.js";

const DEVICE = "/dev/fuse";

const DENIED = ["access is denied", "run as root, or allow the device (in a container: --device /dev/fuse)"] as const;
const NO_FUSE = ["the kernel has no FUSE", "modprobe fuse"] as const;
const CAUSES: Causes = {
  [ENOENT]: ["no such device", "modprobe fuse"],
  [ENODEV]: NO_FUSE,
  [ENXIO]: NO_FUSE,
  [EACCES]: DENIED,
  [EPERM]: DENIED,
};

/** @returns a new fd without a session. @throws UserError ENOENT, EACCES, EPERM, … */
export function openFuseDevice(): number {
  const fd = open(DEVICE, O_RDWR);
  if (fd < 0) throw knownError(DEVICE, fd, CAUSES, "cannot be opened");
  return fd;
}

/**
 * Opens a further fd of the session that `sessionFd` belongs to: a queue of its own (FUSE_DEV_IOC_CLONE).
 * @returns the fd, or -errno (EINVAL while `sessionFd` is not mounted)
 */
export function cloneFuseDevice(sessionFd: number): number {
  const fd = open(DEVICE, O_RDWR);
  if (fd < 0) return fd;
  const argument = new Uint8Array(Uint32Array.of(sessionFd).buffer);
  const result = ioctl(fd, FUSE_DEV_IOC_CLONE, argument);
  if (result >= 0) return fd;
  closeSync(fd);
  return result;
}

/**
 * Registers a file for passthrough in the session of `sessionFd` (FUSE_DEV_IOC_BACKING_OPEN, Linux 6.9).
 * The kernel keeps the file open, and so its lock held, as long as it is in use.
 * @returns the backing id, above 0, or -errno: EPERM without CAP_SYS_ADMIN, ELOOP on a stacked file system
 */
export function openFuseBacking(sessionFd: number, fileFd: number): number {
  return ioctl(sessionFd, FUSE_DEV_IOC_BACKING_OPEN, new StructMemory(fuse_backing_map).set({ fd: fileFd }).bytes);
}

/** Removes a registration that no open file uses. */
export function closeFuseBacking(sessionFd: number, backingId: number): number {
  return ioctl(sessionFd, FUSE_DEV_IOC_BACKING_CLOSE, new Uint8Array(Int32Array.of(backingId).buffer));
}

const FUSE_NOTIFY_RESEND = 7;

/**
 * Has the kernel resend every request of the session that was read but not answered, through any fd
 * (FUSE_NOTIFY_RESEND, Linux 6.9). The process that read them must have ended.
 * @returns 0 or a positive errno: ENODEV when the session is over, EINVAL on older kernels
 */
export function resendRequests(fd: number): Errno {
  const { address, bytes } = allocateBuffer(NOTIFY_BYTES);
  // struct fuse_out_header: the length, the notification's number, no request.
  new Int32Array(bytes).set([NOTIFY_BYTES, FUSE_NOTIFY_RESEND, 0, 0]);
  return errnoOf(write(fd, address, NOTIFY_BYTES));
}

const NOTIFY_BYTES = 16;

const POLLIN = 0x1;
const POLLERR = 0x8;

/** True when the session of `fd` has ended: unmounted or aborted (fuse_dev_poll returns POLLERR). */
export function isSessionOver(fd: number): boolean {
  return hasEvent(fd, POLLERR);
}

/** One thread's end of the device. Never retries: the loop above knows what each errno means. */
export class FuseChannel {
  private readonly polled: Uint8Array;

  constructor(private readonly fd: number) {
    this.polled = new StructMemory(pollfd).set({ fd, events: POLLIN }).bytes;
  }

  /** Waits until a request can be read, or the session is over. @returns false after `timeoutMs`, or for a signal */
  isReadable(timeoutMs: number): boolean {
    return poll(this.polled, 1, Math.ceil(timeoutMs)) > 0;
  }

  /** Of all that have this fd, in each process. @param isBlocking false: `read` gives -EAGAIN where there is no request */
  setBlocking(isBlocking: boolean): void {
    const flags = fcntl(this.fd, F_GETFL);
    fcntl(this.fd, F_SETFL, isBlocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
  }

  /** Blocks for one whole request. @returns its length in bytes, or -errno (ENODEV: unmounted) */
  read(address: Address, lengthBytes: number): number {
    return read(this.fd, address, lengthBytes);
  }

  /** Answers with one reply gathered from `iovecCount` iovecs. @returns its length in bytes, or -errno */
  writev(iovecAddress: Address, iovecCount: number): number {
    return writev(this.fd, iovecAddress, iovecCount);
  }
}
