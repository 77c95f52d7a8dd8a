/** A name that one process at a time can hold: flock(2) on a file that is removed when the name is released. */
import { closeSync, fstatSync, statSync, unlinkSync } from "node:fs";
import { EAGAIN } from "../../base/errno.js";
import { lockOwnerIsEnding } from "../proc/fileLocks.js";
import { LOCK_EX, LOCK_NB, O_CREAT, O_NOFOLLOW, O_RDWR } from "../syscall/constants.js";
import { flock, open } from "../syscall/libc.js";
import { startError } from "../syscall/startError.js";

export interface NameLock {
  /** A process with a duplicate of the fd holds the name too. */
  readonly fd: number;
  release(): void;
}

/** How long taking a name is retried, as a check whether it is taken holds it for an instant. */
const ASKING_MS = 10;

/**
 * Takes the name of the file `path`, or returns null when another process has it.
 * @throws UserError when the file cannot be made or locked
 */
export function lockName(path: string): NameLock | null {
  let isLastTry = false;
  for (;;) {
    const fd = open(path, O_CREAT | O_RDWR | O_NOFOLLOW, 0o600);
    if (fd < 0) throw startError(path, "its lock file cannot be created", fd);
    const result = flock(fd, LOCK_EX | LOCK_NB);
    if (result === 0 && isStillAt(path, fd)) return adoptName(path, fd);
    closeSync(fd);
    if (result === -EAGAIN) {
      if (isLastTry) return null;
      isLastTry = true;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ASKING_MS);
      continue;
    }
    if (result < 0) throw startError(path, "cannot be locked", result);
    // The previous owner removed the file between our open and our lock: try again.
  }
}

/** The name already held by `fd`, a duplicate from its last owner. */
export function adoptName(path: string, fd: number): NameLock {
  return { fd, release: () => release(path, fd) };
}

/** True when a process holds the name of the file `path`. Creates no file; holds the name for an instant. */
export function isNameTaken(path: string): boolean {
  const fd = open(path, O_RDWR | O_NOFOLLOW);
  if (fd < 0) return false;
  const result = flock(fd, LOCK_EX | LOCK_NB);
  closeSync(fd);
  return result === -EAGAIN;
}

/** As `isNameTaken`, but false for a process whose program has ended. */
export function isNameHeld(path: string): boolean {
  return isNameTaken(path) && !isNameOfEnded(path);
}

/** True when the name is held by a process whose program has ended, so that it does not answer. */
export function isNameOfEnded(path: string): boolean {
  const fd = open(path, O_RDWR | O_NOFOLLOW);
  if (fd < 0) return false;
  try {
    return lockOwnerIsEnding(fd);
  } finally {
    closeSync(fd);
  }
}

/** Never throws: the directory may have been removed, or another process may hold the name by now. */
function release(path: string, fd: number): void {
  try {
    if (isStillAt(path, fd)) unlinkSync(path);
  } catch {
    // A file that cannot be removed is reused by the next owner.
  }
  closeSync(fd);
}

function isStillAt(path: string, fd: number): boolean {
  return statSync(path, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino;
}
