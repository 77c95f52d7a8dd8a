/** One process at a time has a name: flock(2) on a file that is removed again with the name. */
import { closeSync, fstatSync, statSync, unlinkSync } from "node:fs";
import { EAGAIN } from "../../base/errno.js";
import { lockOwnerIsEnding } from "../proc/fileLocks.js";
import { LOCK_EX, LOCK_NB, O_CREAT, O_NOFOLLOW, O_RDWR } from "../syscall/constants.js";
import { flock, open } from "../syscall/libc.js";
import { startError } from "../syscall/startError.js";

export interface NameLock {
  /** Whoever has a duplicate of it has the name as well. */
  readonly fd: number;
  release(): void;
}

/** Who only asks whether a name is taken has it for an instant: nobody fails because of that. */
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
    // Whoever had it before removed the file between our open and our lock: once more.
  }
}

/** The name that `fd`, a duplicate from its last owner, has already. */
export function adoptName(path: string, fd: number): NameLock {
  return { fd, release: () => release(path, fd) };
}

/** True when a process has the name of the file `path`. Makes no file; whoever asks has the name for an instant. */
export function isNameTaken(path: string): boolean {
  const fd = open(path, O_RDWR | O_NOFOLLOW);
  if (fd < 0) return false;
  const result = flock(fd, LOCK_EX | LOCK_NB);
  closeSync(fd);
  return result === -EAGAIN;
}

/** As `isNameTaken`, but not by a process whose program has ended. */
export function isNameHeld(path: string): boolean {
  return isNameTaken(path) && !isNameOfEnded(path);
}

/** True when who has the name is a process whose program has ended: it answers nobody. */
export function isNameOfEnded(path: string): boolean {
  const fd = open(path, O_RDWR | O_NOFOLLOW);
  if (fd < 0) return false;
  try {
    return lockOwnerIsEnding(fd);
  } finally {
    closeSync(fd);
  }
}

/** Never throws: the directory may have been removed meanwhile, and another may have the name by now. */
function release(path: string, fd: number): void {
  try {
    if (isStillAt(path, fd)) unlinkSync(path);
  } catch {
    // What cannot be removed is taken over by the next one.
  }
  closeSync(fd);
}

function isStillAt(path: string, fd: number): boolean {
  return statSync(path, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino;
}
