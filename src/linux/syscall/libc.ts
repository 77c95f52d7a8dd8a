/** System calls that are rare. Same convention as `foreign.ts`: the result or `-errno`. */
import { O_CLOEXEC } from "./constants.js";
import { define } from "./foreign.js";
import { pollfd, StructMemory } from "./structs.js";

const c_open = define<[path: string, flags: number, mode: number]>("int open(const char *path, int flags, int mode)");
const c_openat = define<[directoryFd: number, path: string, flags: number, mode: number]>(
  "int openat(int dirfd, const char *path, int flags, int mode)",
);
const c_fcntl = define<[fd: number, command: number, argument: number]>("int fcntl(int fd, int cmd, uint64_t arg)");

/** Close-on-exec, as every fd: a child gets what it is handed explicitly. */
export const open = (path: string, flags: number, mode = 0): number => c_open(path, flags | O_CLOEXEC, mode);
export const openat = (directoryFd: number, path: string, flags: number, mode = 0): number =>
  c_openat(directoryFd, path, flags | O_CLOEXEC, mode);
export const fcntl = (fd: number, command: number, argument = 0): number => c_fcntl(fd, command, argument);
export const unlinkat = define<[directoryFd: number, path: string, flags: number]>(
  "int unlinkat(int dirfd, const char *path, int flags)",
);
export const fsync = define<[fd: number]>("int fsync(int fd)");
export const syncfs = define<[fd: number]>("int syncfs(int fd)");
export const ftruncate = define<[fd: number, lengthBytes: number]>("int ftruncate(int fd, int64_t length)");
export const flock = define<[fd: number, operation: number]>("int flock(int fd, int operation)");
export const memfd_create = define<[name: string, flags: number]>(
  "int memfd_create(const char *name, unsigned int flags)",
);
const c_poll = define<[fds: Uint8Array, count: number, timeoutMs: number]>(
  "int poll(void *fds, uint64_t nfds, int timeout)",
);
/** Whether `event` (POLLERR, POLLHUP), which needs no asking for, is true of `fd` now. */
export function hasEvent(fd: number, event: number): boolean {
  const polled = new StructMemory(pollfd).set({ fd });
  return c_poll(polled.bytes, 1, 0) > 0 && (polled.get("revents") & event) !== 0;
}
/** `argument` is the struct that the request reads and writes. */
export const ioctl = define<[fd: number, request: number, argument: Uint8Array]>(
  "int ioctl(int fd, uint64_t request, void *arg)",
);
/** Of a request whose argument is a number. */
export const ioctlNumber = define<[fd: number, request: number, argument: number]>(
  "int ioctl(int fd, uint64_t request, uint64_t arg)",
);
