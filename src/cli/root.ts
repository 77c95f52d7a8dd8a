/** What only root can do, said before anything is started. */
import { UserError } from "../base/errors.js";

/** @throws UserError with `again` as the command to repeat as root */
export function requireRoot(what: string, again: string): void {
  if (process.geteuid?.() === 0) return;
  throw new UserError(what, "needs root for loop devices and mounts", { code: "EPERM", cure: `sudo ${again}` });
}
