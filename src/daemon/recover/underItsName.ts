/** While a disk is cleared, nobody else clears it or starts it: who does has its name. */
import { UserError } from "../../base/errors.js";
import { lockName } from "../../linux/nameLock.js";
import { idOfFuse, idPaths, makeStateDirectory } from "../stateDirectory.js";
import { type Findings, lookAgain } from "./find.js";
import type { Remains } from "./remains.js";

export function nameIsTaken(mountpoint: string): UserError {
  return new UserError(`recover ${mountpoint}`, "another process has its name: it clears it, or brings it back", {
    code: "EBUSY",
    cure: "wait for that, then kmemfs recover",
  });
}

/**
 * Looks at the disk again with its name taken, and does `act` if it is still dead.
 * @returns null when it is not dead any more
 * @throws UserError when another process has the name
 */
export async function underItsName<Result>(
  remains: Remains,
  found: Findings,
  act: (remains: Remains) => Promise<Result>,
): Promise<Result | null> {
  makeStateDirectory();
  const name = lockName(idPaths(idOfFuse(remains.dead[0].mountpoint)).lock);
  if (name === null) throw nameIsTaken(remains.mountpoint);
  try {
    const again = await lookAgain(remains, found.remains);
    return again === null ? null : await act(again);
  } finally {
    name.release();
  }
}
