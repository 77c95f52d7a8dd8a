/** An errno of a system call as a UserError. */
import { EFBIG, errnoName } from "../../base/errno.js";
import { UserError } from "../../base/errors.js";
import { fileSizeLimit } from "./fileSizeLimit.js";

/** `UserError` for a failed start-up call on `what`. @param result -errno */
export function startError(what: string, reason: string, result: number, cure?: string): UserError {
  const code = errnoName(-result);
  // A file system has its own limit, independent of that of the process.
  const isLimited = result === -EFBIG && fileSizeLimit().softBytes < Number.POSITIVE_INFINITY;
  const help = cure ?? (isLimited ? "ulimit -f unlimited, or LimitFSIZE=infinity" : undefined);
  return new UserError(what, reason, help === undefined ? { code } : { code, cure: help });
}
