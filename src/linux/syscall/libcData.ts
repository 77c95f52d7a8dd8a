/** The system calls of the data path. Same convention as `foreign.ts`: the result or `-errno`. */
import { EINTR } from "../../base/errno.js";
import { STATX_BASIC_STATS } from "../../base/fileFlags.js";
import type { Address } from "../../base/units.js";
import { AT_EMPTY_PATH } from "./constants.js";
import { checked, defineRaw } from "./foreign.js";

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
const c_poll = defineRaw<[fds: Uint8Array, count: number, timeoutMs: number]>(
  "int poll(void *fds, uint64_t nfds, int timeout)",
);
const c_fdatasync = defineRaw<[fd: number]>("int fdatasync(int fd)");
const c_statx = defineRaw<[fd: number, path: string, flags: number, mask: number, statx: Uint8Array]>(
  "int statx(int dirfd, const char *path, int flags, unsigned int mask, void *buf)",
);

// Data behind the addresses must stay mapped for the call only.
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
export const poll = (fds: Uint8Array, count: number, timeoutMs: number): number =>
  checked(c_poll(fds, count, timeoutMs));
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
