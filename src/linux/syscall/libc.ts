/**
 * System calls through koffi, on the calling thread.
 *
 * Every function returns the call's result or `-errno`; none throws for an
 * errno. Addresses, lengths and offsets are plain numbers below 2^53 (koffi
 * takes them in a `uint64_t` parameter without a BigInt). Arities are fixed:
 * a rest parameter would allocate an array for each call. Each thread that
 * imports this module loads its own handle of the library.
 */
import koffi from "koffi";
import { STATX_BASIC_STATS } from "../../base/fileFlags.js";
import type { Address, Errno } from "../../base/units.js";
import { AT_EMPTY_PATH } from "./constants.js";

type Call = (...args: never[]) => number;

const library = koffi.load("libc.so.6");
const bind = <F extends Call>(definition: string): F => library.func(definition) as unknown as F;
const checked = (result: number): number => (result < 0 ? -koffi.errno() : result);

/** The positive errno of a result, 0 for none; never -0, which would leave V8's small integers. */
export const errnoOf = (result: number): Errno => (result < 0 ? -result : 0);

type FdAddressLength = (fd: number, address: Address, lengthBytes: number) => number;
type FdAddressLengthOffset = (fd: number, address: Address, lengthBytes: number, offset: number) => number;

const c_read = bind<FdAddressLength>("int64_t read(int fd, uint64_t buf, uint64_t count)");
const c_write = bind<FdAddressLength>("int64_t write(int fd, uint64_t buf, uint64_t count)");
const c_writev = bind<FdAddressLength>("int64_t writev(int fd, uint64_t iov, int iovcnt)");
const c_pwrite = bind<FdAddressLengthOffset>("int64_t pwrite(int fd, uint64_t buf, uint64_t count, int64_t offset)");
const c_pwritev = bind<FdAddressLengthOffset>("int64_t pwritev(int fd, uint64_t iov, int iovcnt, int64_t offset)");
const c_memcpy = bind<(to: Address, from: Address, lengthBytes: number) => number>(
  "void memcpy(uint64_t dest, uint64_t src, uint64_t n)",
);
const c_memset = bind<(at: Address, byte: number, lengthBytes: number) => number>(
  "void memset(uint64_t s, int c, uint64_t n)",
);
const c_lseek = bind<(fd: number, offset: number, whence: number) => number>(
  "int64_t lseek(int fd, int64_t offset, int whence)",
);
const c_fallocate = bind<(fd: number, mode: number, offset: number, lengthBytes: number) => number>(
  "int fallocate(int fd, int mode, int64_t offset, int64_t len)",
);
const c_fdatasync = bind<(fd: number) => number>("int fdatasync(int fd)");
const c_fsync = bind<(fd: number) => number>("int fsync(int fd)");

// The data path. Data behind the addresses must stay mapped for the call only.
export const read: FdAddressLength = (fd, address, lengthBytes) => checked(c_read(fd, address, lengthBytes));
export const write: FdAddressLength = (fd, address, lengthBytes) => checked(c_write(fd, address, lengthBytes));
export const writev: FdAddressLength = (fd, iovec, iovecCount) => checked(c_writev(fd, iovec, iovecCount));
export const pwrite: FdAddressLengthOffset = (fd, address, lengthBytes, offset) =>
  checked(c_pwrite(fd, address, lengthBytes, offset));
export const pwritev: FdAddressLengthOffset = (fd, iovec, iovecCount, offset) =>
  checked(c_pwritev(fd, iovec, iovecCount, offset));
export const fallocate = (fd: number, mode: number, offset: number, lengthBytes: number): number =>
  checked(c_fallocate(fd, mode, offset, lengthBytes));
export const lseek = (fd: number, offset: number, whence: number): number => checked(c_lseek(fd, offset, whence));
export const fdatasync = (fd: number): number => checked(c_fdatasync(fd));
export const fsync = (fd: number): number => checked(c_fsync(fd));

/** Copies without a check: both ranges must hold memory, or the process dies of SIGBUS or SIGSEGV. */
export function memcpy(to: Address, from: Address, lengthBytes: number): void {
  c_memcpy(to, from, lengthBytes);
}

/** Sets bytes without a check: the range must hold memory. */
export function memset(at: Address, byte: number, lengthBytes: number): void {
  c_memset(at, byte, lengthBytes);
}

const c_open = bind<(path: string, flags: number, mode: number) => number>(
  "int open(const char *path, int flags, int mode)",
);
const c_openat = bind<(directoryFd: number, path: string, flags: number, mode: number) => number>(
  "int openat(int dirfd, const char *path, int flags, int mode)",
);
const c_unlinkat = bind<(directoryFd: number, path: string, flags: number) => number>(
  "int unlinkat(int dirfd, const char *path, int flags)",
);
const c_poll = bind<(fds: Uint8Array, count: number, timeoutMs: number) => number>(
  "int poll(void *fds, uint64_t nfds, int timeout)",
);
const c_close = bind<(fd: number) => number>("int close(int fd)");
const c_ftruncate = bind<(fd: number, lengthBytes: number) => number>("int ftruncate(int fd, int64_t length)");
const c_flock = bind<(fd: number, operation: number) => number>("int flock(int fd, int operation)");
const c_fcntl = bind<(fd: number, command: number, argument: number) => number>(
  "int fcntl(int fd, int cmd, uint64_t arg)",
);
const c_ioctl = bind<(fd: number, request: number, argument: Uint8Array) => number>(
  "int ioctl(int fd, uint64_t request, void *arg)",
);
const c_ioctl_number = bind<(fd: number, request: number, argument: number) => number>(
  "int ioctl(int fd, uint64_t request, uint64_t arg)",
);
const c_syncfs = bind<(fd: number) => number>("int syncfs(int fd)");
const c_fstatfs = bind<(fd: number, statfs: Uint8Array) => number>("int fstatfs(int fd, void *buf)");
const c_statx = bind<(fd: number, path: string, flags: number, mask: number, statx: Uint8Array) => number>(
  "int statx(int dirfd, const char *path, int flags, unsigned int mask, void *buf)",
);
const c_memfd_create = bind<(name: string, flags: number) => number>(
  "int memfd_create(const char *name, unsigned int flags)",
);

export const open = (path: string, flags: number, mode = 0): number => checked(c_open(path, flags, mode));
export const openat = (directoryFd: number, path: string, flags: number, mode = 0): number =>
  checked(c_openat(directoryFd, path, flags, mode));
export const unlinkat = (directoryFd: number, path: string): number => checked(c_unlinkat(directoryFd, path, 0));
/** `fds` is an array of struct pollfd: int fd, short events, short revents. */
export const poll = (fds: Uint8Array, count: number, timeoutMs: number): number =>
  checked(c_poll(fds, count, timeoutMs));
export const close = (fd: number): number => checked(c_close(fd));
export const ftruncate = (fd: number, lengthBytes: number): number => checked(c_ftruncate(fd, lengthBytes));
export const flock = (fd: number, operation: number): number => checked(c_flock(fd, operation));
export const fcntl = (fd: number, command: number, argument = 0): number => checked(c_fcntl(fd, command, argument));
/** `argument` is the struct that the request reads and writes. */
export const ioctl = (fd: number, request: number, argument: Uint8Array): number =>
  checked(c_ioctl(fd, request, argument));
/** Of a request whose argument is a number. */
export const ioctlNumber = (fd: number, request: number, argument: number): number =>
  checked(c_ioctl_number(fd, request, argument));
export const syncfs = (fd: number): number => checked(c_syncfs(fd));
/** Fills `statfs` (at least 120 bytes): f_type is the word at byte 0, f_bsize at byte 8. */
export const fstatfs = (fd: number, statfs: Uint8Array): number => checked(c_fstatfs(fd, statfs));
/** Fills `statx` (256 bytes) with the basic attributes of an open file. */
export const fstatx = (fd: number, statx: Uint8Array): number =>
  checked(c_statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, statx));
export const memfd_create = (name: string, flags: number): number => checked(c_memfd_create(name, flags));
