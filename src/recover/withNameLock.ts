/** While a disk is cleared, nobody else clears it or starts it: who does has its name. */
import type { UserError } from "../base/errors.js";
import { busy } from "../disk/users.js";
import { lockName } from "../linux/process/nameLock.js";
import { idOf } from "../mounts/mountRecord.js";
import { diskPaths, idPaths, makeStateDirectory } from "../mounts/stateDirectory.js";
import type { MountStatus } from "../mounts/status.js";
import type { DeadDisk } from "./deadDisk.js";
import { type Findings, lookAgain } from "./find.js";

const WAIT = "wait for it to finish, then kmemfs recover";

export function nameIsTaken(mountpoint: string, cure = WAIT): UserError {
  return busy(`recover ${mountpoint}`, ["another process is clearing it or bringing it back"], cure);
}

async function withLock<Result>(path: string, taken: UserError, act: () => Promise<Result>): Promise<Result> {
  const turn = lockName(path);
  if (turn === null) throw taken;
  try {
    return await act();
  } finally {
    turn.release();
  }
}

/**
 * The same for a disk whose living holder has the name: of two that clear it the first does.
 * @throws UserError when another process does
 */
export function whileItIsCleared<Result>({ mountpoint }: MountStatus, act: () => Promise<Result>): Promise<Result> {
  return withLock(diskPaths(mountpoint).clearing, nameIsTaken(mountpoint, "kmemfs status"), act);
}

/**
 * Looks at the disk again with its name taken, and does `act` if it is still dead.
 * @returns null when it is not dead any more
 * @throws UserError when another process has the name
 */
export function withNameLock<Result>(
  deadDisk: DeadDisk,
  found: Findings,
  act: (deadDisk: DeadDisk) => Promise<Result>,
): Promise<Result | null> {
  makeStateDirectory();
  return withLock(idPaths(idOf(deadDisk.dead[0])).lock, nameIsTaken(deadDisk.mountpoint), async () => {
    const again = await lookAgain(deadDisk, found.deadDisks);
    return again === null ? null : act(again);
  });
}
