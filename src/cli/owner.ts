/** `uid=`, `gid=` and `mode=`: whose the file `disk` and its directory are, as tmpfs(5) has it. */
import { readFileSync } from "node:fs";
import { UserError } from "../base/errors.js";
import type { MountWords } from "./optionList.js";

export interface Owner {
  readonly uid?: number;
  readonly gid?: number;
  /** Permission bits of `disk`. */
  readonly mode?: number;
}

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
    throw usage(`${kind} ${text}`, `larger than ${MOST_ID}, the largest there is`, cure);
  }
  const id = text === "" ? null : idInTable(readFileSync(table, "utf8"), text);
  if (id !== null) return id;
  throw usage(`${kind} ${text}`, `no such ${kind === "uid" ? "user" : "group"}`, cure);
}

function parseMode(text: string): number {
  if (/^[0-7]{1,5}$/.test(text) && Number.parseInt(text, 8) <= 0o7777) return Number.parseInt(text, 8);
  throw usage(`mode ${text}`, "not an octal mode", "a mode such as 0600, or 660 for a group too");
}

/**
 * Owner and mode that were asked for.
 * @param own null as root, who may name anybody
 * @throws UserError
 */
export function parseOwner(words: MountWords, own: OwnIds | null): Owner {
  const uid = words.uid === undefined ? undefined : parseId("uid", words.uid);
  const gid = words.gid === undefined ? undefined : parseId("gid", words.gid);
  const mode = words.mode === undefined ? undefined : parseMode(words.mode);
  if (own !== null && uid !== undefined && uid !== own.uid) throw notYours("uid", words.uid);
  if (own !== null && gid !== undefined && !own.gids.includes(gid)) throw notYours("gid", words.gid);
  return {
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
    ...(mode === undefined ? {} : { mode }),
  };
}

function notYours(kind: "uid" | "gid", text = ""): UserError {
  const reason = kind === "uid" ? "a user can give a disk to nobody else" : "you are not in this group";
  return new UserError(`${kind} ${text}`, reason, { code: "EPERM", cure: `leave ${kind} out, or mount as root` });
}

/** True when somebody else than the root who mounts was named, or the mode lets others in: FUSE itself would not. */
export function letsOthersIn({ uid = 0, gid = 0, mode = 0 }: Owner): boolean {
  return uid !== 0 || gid !== 0 || (mode & 0o077) !== 0;
}
