/** Users in words: `bash (pid 12, /mnt/x/log)`. */
import { UserError } from "../base/errors.js";
import { type LoopNodes, swapAreas } from "../linux/proc/loopDevices.js";
import { type MountUser, usersOfDevice } from "../linux/proc/mountUsers.js";

/** Further users are only counted, to keep the line readable. */
const MAX_NAMED = 4;

export function describeUsers(holders: readonly MountUser[]): string {
  // A process may hold it in several ways: the first one found is told.
  const processes = [...new Map(holders.toReversed().map((holder) => [holder.pid, holder])).values()].reverse();
  const named = processes.slice(0, MAX_NAMED).map((holder) => `${holder.name} (pid ${holder.pid}, ${holder.path})`);
  const more = processes.length - named.length;
  return named.join(", ") + (more > 0 ? ` and ${more} more` : "");
}

/** What else of the kernel a loop device is part of, one clause each. */
export function partClauses({ nodes }: LoopNodes): string[] {
  return nodes.flatMap(({ path, partOf }) => partOf.map((other) => `${path} is part of ${other}`));
}

/** What keeps a loop device and its partitions open besides mounts, one clause each. */
export function deviceClauses(loop: LoopNodes): string[] {
  const paths = loop.nodes.map((node) => node.path);
  const swap = swapAreas().filter((area) => paths.includes(area));
  const used = paths.map((path) => [path, usersOfDevice(path)] as const).filter(([, users]) => users.length > 0);
  return [
    ...swap.map((area) => `${area} is in use as swap`),
    ...partClauses(loop),
    ...used.map(([path, users]) => `${path} is in use by ${describeUsers(users)}`),
  ];
}

/** `what` cannot be done because of `blockers`; nothing was changed. */
export function busy(what: string, blockers: readonly string[], cure: string): UserError {
  return new UserError(what, blockers.join("; "), { code: "EBUSY", cure });
}
