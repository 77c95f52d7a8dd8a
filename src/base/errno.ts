/**
 * Linux error numbers (x86-64 and arm64 share them). On the data path an
 * error is a number: verbs return `>= 0` for success and `-errno` otherwise.
 */
const names = new Map<number, string>();

function errno(value: number, name: string): number {
  names.set(value, name);
  return value;
}

export const EPERM = errno(1, "EPERM");
export const ENOENT = errno(2, "ENOENT");
export const EINTR = errno(4, "EINTR");
export const EIO = errno(5, "EIO");
export const ENXIO = errno(6, "ENXIO");
export const EBADF = errno(9, "EBADF");
export const EAGAIN = errno(11, "EAGAIN");
export const ENOMEM = errno(12, "ENOMEM");
export const EACCES = errno(13, "EACCES");
export const EFAULT = errno(14, "EFAULT");
export const EBUSY = errno(16, "EBUSY");
export const EEXIST = errno(17, "EEXIST");
export const ENODEV = errno(19, "ENODEV");
export const ENOTDIR = errno(20, "ENOTDIR");
export const EISDIR = errno(21, "EISDIR");
export const EINVAL = errno(22, "EINVAL");
export const ENFILE = errno(23, "ENFILE");
export const EMFILE = errno(24, "EMFILE");
export const ENOTTY = errno(25, "ENOTTY");
export const EFBIG = errno(27, "EFBIG");
export const ENOSPC = errno(28, "ENOSPC");
export const EROFS = errno(30, "EROFS");
export const ERANGE = errno(34, "ERANGE");
export const ENAMETOOLONG = errno(36, "ENAMETOOLONG");
export const ENOSYS = errno(38, "ENOSYS");
export const ELOOP = errno(40, "ELOOP");
export const EPROTO = errno(71, "EPROTO");
export const EOPNOTSUPP = errno(95, "EOPNOTSUPP");
export const EADDRINUSE = errno(98, "EADDRINUSE");
export const ECONNABORTED = errno(103, "ECONNABORTED");
export const ENOTCONN = errno(107, "ENOTCONN");
export const EDQUOT = errno(122, "EDQUOT");
export const ETIMEDOUT = errno(110, "ETIMEDOUT");
export const ECONNREFUSED = errno(111, "ECONNREFUSED");

/** The symbolic name of a positive errno, or `errno N` for one not listed here. */
export function errnoName(value: number): string {
  return names.get(value) ?? `errno ${value}`;
}

/** Every shortage is ENOSPC: of memory (ENOMEM), of a quota (EDQUOT), of the backing or of the pool. */
export function asShortage(value: number): number {
  return value === ENOMEM || value === EDQUOT ? ENOSPC : value;
}
