/**
 * System calls through koffi, on the calling thread.
 *
 * Every function returns the call's result or `-errno`; none throws for an
 * errno. Addresses, lengths and offsets are plain numbers below 2^53 (koffi
 * takes them in a `uint64_t` parameter without a BigInt). Each thread that
 * imports this module loads its own handle of the library.
 */
import koffi from "koffi";
import { EINTR } from "../../base/errno.js";
import { STATX_BASIC_STATS } from "../../base/fileFlags.js";
import type { Address, Errno } from "../../base/units.js";
import { AT_EMPTY_PATH, O_CLOEXEC } from "./constants.js";
import { pollfd, StructMemory } from "./structs.js";

const library = koffi.load("libc.so.6");

/** The result of a call that was just made, or `-errno`. */
export const checked = (result: number): number => (result < 0 ? -koffi.errno() : result);

/** The C function itself: for the data path, whose wrappers have fixed arities and so allocate nothing. */
export const defineRaw = <Args extends unknown[]>(definition: string): ((...args: Args) => number) =>
  library.func(definition);

/** The C function with its errno; not for the data path, as a rest parameter is an array for each call. */
export function define<Args extends unknown[]>(definition: string): (...args: Args) => number {
  const raw = defineRaw<Args>(definition);
  return (...args) => checked(raw(...args));
}

/** A system call without a function in the C library: syscall(2) is variadic, and all of these go in registers. */
export function defineNumbered<Args extends unknown[]>(number: number, parameters: string): (...args: Args) => number {
  const bound = define<[number, ...Args]>(`int64_t syscall(int64_t number, ${parameters})`);
  return (...args) => bound(number, ...args);
}

/** The positive errno of a result, 0 for none; never -0, which would leave V8's small integers. */
export const errnoOf = (result: number): Errno => (result < 0 ? -result : 0);

type FdAddressLength = [fd: number, address: Address, lengthBytes: number];
type FdAddressLengthOffset = [...FdAddressLength, offset: number];
type Range = [fd: number, mode: number, offset: number, lengthBytes: number];

const c_read = defineRaw<FdAddressLength>("int64_t read(int fd, uint64_t buf, uint64_t count)");
const c_write = defineRaw<FdAddressLength>("int64_t write(int fd, uint64_t buf, uint64_t count)");
const c_writev = defineRaw<FdAddressLength>("int64_t writev(int fd, uint64_t iov, int iovcnt)");
const c_pwrite = defineRaw<FdAddressLengthOffset>(
  "int64_t pwrite(int fd, uint64_t buf, uint64_t count, int64_t offset)",
);
const c_pwritev = defineRaw<FdAddressLengthOffset>("int64_t pwritev(int fd, uint64_t iov, int iovcnt, int64_t offset)");
const c_lseek = defineRaw<[fd: number, offset: number, whence: number]>(
  "int64_t lseek(int fd, int64_t offset, int whence)",
);
const c_fallocate = defineRaw<Range>("int fallocate(int fd, int mode, int64_t offset, int64_t len)");
const c_fdatasync = defineRaw<[fd: number]>("int fdatasync(int fd)");
const c_statx = defineRaw<[fd: number, path: string, flags: number, mask: number, statx: Uint8Array]>(
  "int statx(int dirfd, const char *path, int flags, unsigned int mask, void *buf)",
);

// The data path. Data behind the addresses must stay mapped for the call only.
export const read = (fd: number, address: Address, lengthBytes: number): number =>
  checked(c_read(fd, address, lengthBytes));
export const write = (fd: number, address: Address, lengthBytes: number): number =>
  checked(c_write(fd, address, lengthBytes));
export const writev = (fd: number, iovec: Address, iovecCount: number): number =>
  checked(c_writev(fd, iovec, iovecCount));
export const pwrite = (fd: number, address: Address, lengthBytes: number, offset: number): number =>
  checked(c_pwrite(fd, address, lengthBytes, offset));
export const pwritev = (fd: number, iovec: Address, iovecCount: number, offset: number): number =>
  checked(c_pwritev(fd, iovec, iovecCount, offset));
export const lseek = (fd: number, offset: number, whence: number): number => checked(c_lseek(fd, offset, whence));
export const fdatasync = (fd: number): number => checked(c_fdatasync(fd));
/** Fills `statx` with the basic attributes of an open file. */
export const fstatx = (fd: number, statx: Uint8Array): number =>
  checked(c_statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, statx));

/** Again when a signal came between. */
export function fallocate(fd: number, mode: number, offset: number, lengthBytes: number): number {
  for (;;) {
    const result = checked(c_fallocate(fd, mode, offset, lengthBytes));
    if (result !== -EINTR) return result;
  }
}

/** Copies without a check: both ranges must hold memory, or the process dies of SIGBUS or SIGSEGV. */
export const memcpy = defineRaw<[to: Address, from: Address, lengthBytes: number]>(
  "void memcpy(uint64_t dest, uint64_t src, uint64_t n)",
);
/** Sets bytes without a check: the range must hold memory. */
export const memset = defineRaw<[at: Address, byte: number, lengthBytes: number]>(
  "void memset(uint64_t s, int c, uint64_t n)",
);

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
