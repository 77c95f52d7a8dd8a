/** `uid=`, `gid=` and `mode=`: owner and mode of the file `disk` and its directory, as in tmpfs(5). */
import { readFileSync } from "node:fs";
import { UserError } from "../base/errors.js";

/** The ids that a caller without root may give a file of his. */
export interface OwnIds {
  readonly uid: number;
  readonly gids: readonly number[];
}

/** Where the names are; the form of both is passwd(5)'s: name, password, number. */
const USERS = "/etc/passwd";
const GROUPS = "/etc/group";

/** One less than the number that stands for no change in chown(2). */
const MOST_ID = 2 ** 32 - 2;

function usage(what: string, reason: string, cure: string): UserError {
  return new UserError(what, reason, { code: "EINVAL", cure, exitCode: 2 });
}

/** The number of `name` in a table of the form of passwd(5); null when it is not there. */
export function idInTable(table: string, name: string): number | null {
  const fields = table
    .split("\n")
    .map((line) => line.split(":"))
    .find((parts) => parts[0] === name && /^\d+$/.test(parts[2] ?? ""));
  return fields === undefined ? null : Number(fields[2]);
}

function parseId(kind: "uid" | "gid", text: string): number {
  const table = kind === "uid" ? USERS : GROUPS;
  const cure = `a number, or a name of ${table}`;
  if (/^\d+$/.test(text)) {
    if (Number(text) <= MOST_ID) return Number(text);
    throw usage(`${kind} ${text}`, `larger than the maximum, ${MOST_ID}`, cure);
  }
  const id = text === "" ? null : idInTable(readFileSync(table, "utf8"), text);
  if (id !== null) return id;
  throw usage(`${kind} ${text}`, `no such ${kind === "uid" ? "user" : "group"}`, cure);
}

/** Permission bits. @throws UserError */
export function parseMode(text: string): number {
  if (/^[0-7]{1,5}$/.test(text) && Number.parseInt(text, 8) <= 0o7777) return Number.parseInt(text, 8);
  throw usage(`mode ${text}`, "not an octal mode", "a mode such as 0600, or 0660 to include the group");
}

/** The caller: root may name any user; a user without `own` may name none. */
interface Asker {
  readonly root: boolean;
  readonly own?: OwnIds;
}

/** @throws UserError, also when a user names another user */
export function parseUser(text: string, { root, own }: Asker): number {
  const uid = parseId("uid", text);
  if (root || uid === own?.uid) return uid;
  throw notYours("uid", text, "only root can give a disk to another user");
}

/** @throws UserError, also for a user who is not in the group */
export function parseGroup(text: string, { root, own }: Asker): number {
  const gid = parseId("gid", text);
  if (root || own?.gids.includes(gid)) return gid;
  throw notYours("gid", text, "you are not in this group");
}

function notYours(kind: "uid" | "gid", text: string, reason: string): UserError {
  return new UserError(`${kind} ${text}`, reason, { code: "EPERM", cure: `omit ${kind}, or mount as root` });
}

/** True when the owner is not the mounting root, or the mode gives others access, which needs `allow_other`. */
export function letsOthersIn({ uid = 0, gid = 0, mode = 0 }: { uid?: number; gid?: number; mode?: number }): boolean {
  return uid !== 0 || gid !== 0 || (mode & 0o077) !== 0;
}
