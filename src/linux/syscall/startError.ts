/** An errno of a system call as a UserError. */
import { EFBIG, errnoName } from "../../base/errno.js";
import { UserError } from "../../base/errors.js";
import { fileSizeLimit } from "./fileSizeLimit.js";

/** `UserError` for a failed start-up call on `what`. @param result -errno */
export function startError(what: string, reason: string, result: number, cure?: string): UserError {
  const code = errnoName(-result);
  // A file system has a limit of its own, which that of this process says nothing of.
  const isLimited = result === -EFBIG && fileSizeLimit().soft < Number.POSITIVE_INFINITY;
  const help = cure ?? (isLimited ? "ulimit -f unlimited, or LimitFSIZE=infinity" : undefined);
  return new UserError(what, reason, help === undefined ? { code } : { code, cure: help });
}

/** By errno: why, and the cure. */
export type Causes = Readonly<Record<number, readonly [reason: string, cure?: string]>>;

/** As `startError`, for the reason that `causes` have; `otherwise` and `cure` for any other errno. */
export function knownError(what: string, result: number, causes: Causes, otherwise: string, cure?: string): UserError {
  const [reason, help] = causes[-result] ?? [otherwise, cure];
  return startError(what, reason, result, help);
}
