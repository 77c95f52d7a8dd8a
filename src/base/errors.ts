/**
 * The two kinds of error that reach a person. (The third kind, an errno
 * answered to the kernel, is a number and never an exception.)
 */
import { errnoName } from "./errno.js";
import type { Errno } from "./units.js";

/** Something the user asked for cannot be done: printed as one line, then `try:`. */
export class UserError extends Error {
  /** @param what the thing that failed, e.g. `mount /mnt/x`
   *  @param reason why, in one sentence without a final stop
   *  @param options `code` the symbolic errno, `cure` what to try, `exitCode` 1 failed or 2 wrong usage */
  constructor(
    readonly what: string,
    readonly reason: string,
    readonly options: { readonly code?: string; readonly cure?: string; readonly exitCode?: number } = {},
  ) {
    super(`${what}: ${reason}${options.code === undefined ? "" : ` (${options.code})`}`);
    this.name = "UserError";
  }

  get exitCode(): number {
    return this.options.exitCode ?? 1;
  }
}

/** @throws UserError for a positive errno */
export function must(errno: Errno, reason: string, what = "pool"): void {
  if (errno !== 0) throw new UserError(what, reason, { code: errnoName(errno) });
}

/** A field of the media is not what it must be. The media is not trusted, so this is not a bug. */
export class MediaError extends Error {
  constructor(
    readonly field: string,
    readonly expected: string,
    readonly found: string,
    readonly offsetBytes: number,
  ) {
    super(`${field} at byte ${offsetBytes}: expected ${expected}, found ${found}`);
    this.name = "MediaError";
  }
}

/** An error as it is sent from one process to another. */
export interface ErrorBody {
  readonly what: string;
  readonly reason: string;
  readonly code?: string;
  readonly cure?: string;
  readonly exitCode?: number;
}

export function errorBody(error: unknown): ErrorBody {
  if (error instanceof UserError) return { what: error.what, reason: error.reason, ...error.options };
  return { what: "kmemfs", reason: error instanceof Error ? error.message : String(error) };
}

export function errorFromBody(body: ErrorBody): UserError {
  const { what, reason, ...options } = body;
  return new UserError(what, reason, options);
}
