/** Users in words: `bash (pid 12, /mnt/x/log)`. */
import { UserError } from "../base/errors.js";
import { type MountUser, usersOfDevice } from "../linux/proc/mountUsers.js";
import { stackedDevices, withPartitions } from "./loop.js";

/** Further users are only counted, to keep the line readable. */
const MAX_NAMED = 4;

export function describeUsers(holders: readonly MountUser[]): string {
  // A process may hold it in several ways: the first one found is told.
  const processes = [...new Map(holders.toReversed().map((holder) => [holder.pid, holder])).values()].reverse();
  const named = processes.slice(0, MAX_NAMED).map((holder) => `${holder.name} (pid ${holder.pid}, ${holder.path})`);
  const more = processes.length - named.length;
  return named.join(", ") + (more > 0 ? ` and ${more} more` : "");
}

/** What keeps `device` open besides mounts, one clause each. */
export function deviceBlockers(device: string): string[] {
  const blockers = stackedDevices(device);
  for (const part of withPartitions(device)) {
    const holders = usersOfDevice(part);
    if (holders.length > 0) blockers.push(`${part} is in use by ${describeUsers(holders)}`);
  }
  return blockers;
}

/** `what` cannot be done because of `blockers`; nothing was changed. */
export function busy(what: string, blockers: readonly string[], cure: string): UserError {
  return new UserError(what, blockers.join("; "), { code: "EBUSY", cure });
}
