/** Whose the file `disk` is to be, in the words of tmpfs(5): `uid=`, `gid=`, `mode=`. */
import { readFileSync } from "node:fs";
import { UserError } from "../base/errors.js";
import type { DiskOwner } from "../daemon/options.js";

/** Without root: whom the caller may name. */
export interface Identity {
  readonly root: boolean;
  readonly uid?: number;
  readonly groups?: readonly number[];
}

interface OwnerWords {
  readonly uid?: string;
  readonly gid?: string;
  readonly mode?: string;
}

/** 2^32 - 1 stands for "nobody's" in chown(2). */
const MAX_ID = 2 ** 32 - 2;

function refused(what: string, reason: string, cure: string): UserError {
  return new UserError(what, reason, { cure, exitCode: 2 });
}

/**
 * The number that `text` is or stands for; null when there is none.
 * @param table the lines of passwd(5) or group(5)
 */
export function parseId(text: string, table: string): number | null {
  if (/^\d{1,10}$/.test(text)) return Number(text) <= MAX_ID ? Number(text) : null;
  if (text === "") return null;
  for (const line of table.split("\n")) {
    const [name, , id] = line.split(":");
    if (name === text && id !== undefined && /^\d{1,10}$/.test(id)) return Number(id);
  }
  return null;
}

function readTable(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function parseUid(text: string, caller: Identity): number {
  const what = `uid ${text}`;
  const uid = parseId(text, readTable("/etc/passwd"));
  if (uid === null) throw refused(what, "no such user", "a number, or a name of /etc/passwd");
  if (!caller.root && uid !== caller.uid) throw refused(what, "without root only you can own the disk", "as root");
  return uid;
}

function parseGid(text: string, caller: Identity): number {
  const what = `gid ${text}`;
  const gid = parseId(text, readTable("/etc/group"));
  if (gid === null) throw refused(what, "no such group", "a number, or a name of /etc/group");
  if (!caller.root && caller.groups?.includes(gid) !== true) {
    throw refused(what, "you are not in that group", "a group that `id` shows, or as root");
  }
  return gid;
}

function parseMode(text: string): number {
  if (/^0*[0-7]{1,4}$/.test(text)) return Number.parseInt(text, 8);
  throw refused(`mode ${text}`, "not a mode", "an octal number up to 7777, such as 0660");
}

/** @throws UserError with exit code 2 */
export function parseOwner(words: OwnerWords, caller: Identity): DiskOwner {
  return {
    ...(words.uid === undefined ? {} : { uid: parseUid(words.uid, caller) }),
    ...(words.gid === undefined ? {} : { gid: parseGid(words.gid, caller) }),
    ...(words.mode === undefined ? {} : { mode: parseMode(words.mode) }),
  };
}
