/** Makes the calls of `call.ts` in this process. */
import { EIO, ENOENT, ENXIO, errnoName } from "../base/errno.js";
import { type ErrorBody, errorBody, UserError } from "../base/errors.js";
import { syncFileSystemOn, thawFileSystemOn, trimFileSystemOn } from "../linux/mount/fileSystemCalls.js";
import { detachLoopDevice, type LoopBacking, readLoopBacking, refreshLoopSize } from "../linux/mount/loopControl.js";
import { detachExactly, type MountIdentity, makePrivate, unmountExactly } from "../linux/mount/mountHandle.js";

export type Call =
  /** Writes out what is dirty first. */
  | { readonly act: "unmount" | "trim" | "thaw"; readonly mount: MountIdentity }
  /** Of one that may fail the value is -errno then. */
  | { readonly act: "sync"; readonly mount: MountIdentity; readonly mayFail?: boolean }
  /** `private` keeps what happens inside from happening in other places of the same mount. */
  | { readonly act: "detach" | "private"; readonly mount: MountIdentity; readonly withInside: boolean }
  | { readonly act: "loop-detach"; readonly path: string; readonly diskSeq: string | null }
  | { readonly act: "loop-backing" | "loop-size"; readonly path: string };

/** What a call gave: bytes of a trim, what a loop device is on, or 0. */
export type CallValue = number | LoopBacking;

/** The outcomes of the calls up to the first that failed. */
export type CallOutcome = { readonly value: CallValue } | { readonly error: ErrorBody };

/** Calls that the disk's own server must answer: made by its holder they could wait forever. */
const ASKING: ReadonlySet<Call["act"]> = new Set(["loop-backing", "loop-size"]);

/** True for calls to a loop device, whose disk may be another than is meant, and hang. */
export function asks(calls: readonly Call[]): boolean {
  return calls.some(({ act }) => ASKING.has(act));
}

/** As `makeHere`, of which those that ask the disk fail. */
export function makeHereUnasked(what: string, calls: readonly Call[]): CallOutcome[] {
  if (!asks(calls)) return makeHere(what, calls);
  return [{ error: { what, reason: "the program is missing, and the holder cannot make this call itself" } }];
}

/** Makes `calls` up to the first that fails. @returns their outcomes */
export function makeHere(what: string, calls: readonly Call[]): CallOutcome[] {
  const outcomes: CallOutcome[] = [];
  try {
    for (const call of calls) outcomes.push({ value: make(what, call) });
  } catch (error) {
    outcomes.push({ error: errorBody(error) });
  }
  return outcomes;
}

/** @throws UserError for an errno */
function must(what: string, result: number, reason: string): number {
  if (result >= 0) return result;
  throw new UserError(what, reason, { code: errnoName(-result) });
}

function make(what: string, call: Call): CallValue {
  switch (call.act) {
    case "unmount":
      return must(what, -unlessGone(unmountExactly(what, call.mount)), `${call.mount.mountpoint} cannot be unmounted`);
    case "detach":
      return must(
        what,
        -unlessGone(detachExactly(what, call.mount, call.withInside)),
        `${call.mount.mountpoint} cannot be detached`,
      );
    case "private":
      return must(
        what,
        -makePrivate(what, call.mount, call.withInside),
        `${call.mount.mountpoint} cannot be made private`,
      );
    case "sync":
      if (call.mayFail) return -reached(() => syncFileSystemOn(what, call.mount));
      return must(what, -syncFileSystemOn(what, call.mount), `${call.mount.mountpoint} cannot be synced`);
    case "trim":
      return must(what, trimFileSystemOn(what, call.mount), `${call.mount.mountpoint} cannot be trimmed`);
    case "thaw":
      // Also returned by a file system that is not frozen or cannot be, on which nothing waits.
      return -reached(() => thawFileSystemOn(what, call.mount));
    case "loop-detach":
      return must(what, -detachLoopDevice(call.path, call.diskSeq), `${call.path} cannot be detached`);
    case "loop-size":
      return must(what, -refreshLoopSize(call.path), `${call.path} cannot be set to the size of its file`);
    case "loop-backing": {
      const found = readLoopBacking(call.path);
      return typeof found === "number" ? -found : found;
    }
  }
}

/** A file system that is shut down cannot even be opened, and is to be unmounted all the same. @returns an errno */
function reached(act: () => number): number {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof UserError) || error.options.code === "EBUSY") throw error;
    return EIO;
  }
}

function unlessGone(errno: number): number {
  return errno === ENOENT || errno === ENXIO ? 0 : errno;
}
