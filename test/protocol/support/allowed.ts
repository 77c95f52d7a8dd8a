/** Which errors each opcode may be answered with. */
import {
  EACCES,
  EFBIG,
  EINVAL,
  EISDIR,
  ENAMETOOLONG,
  ENOENT,
  ENOSPC,
  ENOSYS,
  ENOTDIR,
  ENXIO,
  EOPNOTSUPP,
  EPERM,
  EROFS,
} from "../../../src/base/errno.js";

/** EINVAL is allowed to all, for what is malformed. */
const allowed: Readonly<Record<number, readonly number[]>> = {
  1: [ENOENT, ENOTDIR, ENAMETOOLONG],
  3: [ENOENT],
  4: [ENOENT, EPERM, EROFS, EFBIG],
  14: [ENOENT, EISDIR, EROFS],
  15: [ENOENT, EISDIR],
  16: [ENOENT, EISDIR, EROFS, EFBIG, ENOSPC],
  17: [],
  18: [],
  20: [ENOENT],
  25: [],
  27: [ENOENT, ENOTDIR],
  28: [ENOENT, ENOTDIR],
  29: [],
  30: [ENOENT],
  34: [ENOENT, EACCES, EROFS],
  38: [],
  43: [ENOENT, EISDIR, EROFS, EFBIG, ENOSPC, EOPNOTSUPP],
  44: [ENOENT, ENOTDIR],
  46: [ENOENT, EISDIR, ENXIO],
  52: [ENOENT],
};

/** One directory with one file: nothing is made, removed or renamed. */
export const notMade: ReadonlySet<number> = new Set([6, 8, 9, 10, 11, 12, 13, 35, 45, 51]);

/** What may also be EIO, in direct mode (READ and WRITE never come) or after the medium has failed. */
export const mayFail: ReadonlySet<number> = new Set([4, 14, 15, 16, 20, 30, 43]);

/** True when an answered request of `opcode`, 0 for success, may be answered so on a sound medium. */
export function isAllowed(opcode: number, errno: number): boolean {
  if (errno === 0) return opcode in allowed;
  if (errno === EINVAL) return true;
  if (notMade.has(opcode)) return errno === EPERM;
  return (allowed[opcode] ?? [ENOSYS]).includes(errno);
}
