/**
 * What a holder needs to take over a session from another holder: a note stored with
 * the fds at the service manager (docs/decisions/0011).
 */
import { UserError } from "../../base/errors.js";
import { type Backing, withFds } from "../../linux/backing/backing.js";
import { readNote, writeNote } from "../../linux/process/noteFile.js";
import type { MountOptions } from "../../mounts/options.js";
import type { Session } from "./session.js";

/** To be raised when a holder could not go on with what an older one noted. */
const RECORD_VERSION = 2;

/** What servers found out. */
export interface ServingFacts {
  /** null while the mount has not been ready: such a session is not gone on with. */
  readonly io: "served" | "direct" | null;
  readonly ioReason: string | null;
  readonly wasUnclean: boolean;
  readonly damage: string | null;
  readonly refused: readonly string[];
  readonly restarts: number;
  /** Why the last server that is gone was. */
  readonly lastDeath: string | null;
}

export interface SessionRecord extends ServingFacts {
  /** They win over the options that the next holder is started with. */
  readonly options: MountOptions;
  /** Its fds are numbers of a process that is gone. */
  readonly backing: Backing;
  /** The same holds for the channels, whose count is right. */
  readonly session: Session;
  /** For people: why servers were given up; the pool is kept, and there are no channels. null while it is served. */
  readonly givenUp: string | null;
}

export function writeSessionRecord(noteFd: number, record: SessionRecord): void {
  writeNote(noteFd, JSON.stringify({ version: RECORD_VERSION, ...record }));
}

/** @returns null when the holder was gone before it had noted anything. @throws UserError when another version did */
export function readSessionRecord(noteFd: number): SessionRecord | null {
  const text = readNote(noteFd);
  if (text === null) return null;
  const { version, ...record } = JSON.parse(text) as SessionRecord & { readonly version?: number };
  if (version === RECORD_VERSION) return record;
  const reason = `was started by an incompatible version of kmemfs (record version: ${version ?? "none"})`;
  throw new UserError("the session", reason, { code: "EPROTO", cure: "stop the service and start it again" });
}

export interface SessionFds {
  readonly memoryFd: number;
  readonly nameFd: number;
  readonly backing: Backing;
  readonly channelFds: readonly number[];
}

/** The open files of a session, each once, by the name it is stored under. */
export function sessionFds(fds: SessionFds, noteFd: number): Map<string, number> {
  return new Map([
    ["note", noteFd],
    ["memory", fds.memoryFd],
    ["name", fds.nameFd],
    ...poolNames(fds.backing),
    ...channelNames(fds.channelFds),
  ]);
}

function poolNames({ metaFd, dataFd, tmpfsFd }: Backing): [string, number][] {
  const names: [string, number][] = [["meta", metaFd]];
  if (dataFd !== metaFd) names.push(["data", dataFd]);
  if (tmpfsFd !== undefined) names.push(["tmpfs", tmpfsFd]);
  return names;
}

/** A user's threads share one channel. */
export function channelNames(channelFds: readonly number[]): [string, number][] {
  const once = [...channelFds.entries()].filter(([i, fd]) => channelFds.indexOf(fd) === i);
  return once.map(([i, fd]) => [`channel${i}`, fd]);
}

/** True for a name that `channelNames` gives. */
export function isChannel(name: string): boolean {
  return name.startsWith("channel");
}

/** The record with the fds that came back. @returns the name of one that did not */
export function withStoredFds(
  record: SessionRecord,
  stored: ReadonlyMap<string, number>,
): Pick<SessionRecord, "backing" | "session"> | { readonly missing: string } {
  const { backing, session } = record;
  const names = [...poolNames(backing), ...channelNames(session.channelFds)];
  const missing = names.find(([name]) => !stored.has(name));
  if (missing !== undefined) return { missing: missing[0] };
  const fds = new Map(names.map(([name, old]) => [old, stored.get(name) ?? -1]));
  const now = (old: number): number => fds.get(old) ?? -1;
  return { backing: withFds(backing, now), session: { ...session, channelFds: session.channelFds.map(now) } };
}
