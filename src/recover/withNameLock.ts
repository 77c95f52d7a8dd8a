/** Clears a disk while holding its name, so that no other process clears or starts it. */
import { UserError } from "../base/errors.js";
import { lockName } from "../linux/process/nameLock.js";
import { idOf } from "../mounts/mountRecord.js";
import { diskPaths, idPaths, makeStateDirectory } from "../mounts/stateDirectory.js";
import type { MountStatus } from "../mounts/status.js";
import type { DeadDisk } from "./deadDisk.js";
import { type Findings, lookAgain } from "./find.js";

export function nameIsTaken(mountpoint: string): UserError {
  return new UserError(`recover ${mountpoint}`, "another process is clearing it or bringing it back", {
    code: "EBUSY",
    cure: "wait for it to finish, then kmemfs recover",
  });
}

/**
 * The same for a disk whose living holder has the name: of two that clear it the first does.
 * @throws UserError when another process does
 */
export async function whileItIsCleared<Result>(disk: MountStatus, act: () => Promise<Result>): Promise<Result> {
  const { mountpoint } = disk;
  const turn = lockName(diskPaths(mountpoint).clearing);
  if (turn === null) {
    throw new UserError(`recover ${mountpoint}`, "another process is clearing it or bringing it back", {
      code: "EBUSY",
      cure: "kmemfs status",
    });
  }
  try {
    return await act();
  } finally {
    turn.release();
  }
}

/**
 * Looks at the disk again with its name taken, and does `act` if it is still dead.
 * @returns null when it is not dead any more
 * @throws UserError when another process has the name
 */
export async function withNameLock<Result>(
  deadDisk: DeadDisk,
  found: Findings,
  act: (deadDisk: DeadDisk) => Promise<Result>,
): Promise<Result | null> {
  makeStateDirectory();
  const name = lockName(idPaths(idOf(deadDisk.dead[0])).lock);
  if (name === null) throw nameIsTaken(deadDisk.mountpoint);
  try {
    const again = await lookAgain(deadDisk, found.deadDisks);
    return again === null ? null : await act(again);
  } finally {
    name.release();
  }
}
