/** One process at a time has a name: flock(2) on a file that is removed again with the name. */
import { closeSync, fstatSync, statSync, unlinkSync } from "node:fs";
import { LOCK_EX, LOCK_NB, O_CLOEXEC, O_CREAT, O_NOFOLLOW, O_RDWR } from "./constants.js";
import { flock, open } from "./libc.js";

export interface NameLock {
  release(): void;
}

/** Takes the name of the file `path`, or returns null when another process has it, or it cannot be made. */
export function lockName(path: string): NameLock | null {
  for (;;) {
    const fd = open(path, O_CREAT | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0o600);
    if (fd < 0) return null;
    if (flock(fd, LOCK_EX | LOCK_NB) !== 0) {
      closeSync(fd);
      return null;
    }
    // Whoever had it before may have removed the file between our open and our lock.
    if (statSync(path, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino) {
      return {
        release: () => {
          unlinkSync(path);
          closeSync(fd);
        },
      };
    }
    closeSync(fd);
  }
}
