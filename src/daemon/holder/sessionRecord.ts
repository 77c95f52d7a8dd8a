/**
 * What a holder needs to take over a session from another holder: a note stored with
 * the fds at the service manager (docs/decisions/0011).
 */
import { UserError } from "../../base/errors.js";
import type { Backing } from "../../linux/backing/backing.js";
import { readNote, writeNote } from "../../linux/process/noteFile.js";
import type { MountOptions } from "../../mounts/options.js";
import type { Passthrough } from "./ioMode.js";
import type { Session } from "./session.js";

/** Must be raised when a holder could not use the note of an older version. */
const RECORD_VERSION = 1;

export interface SessionRecord {
  /** They override the options that the next holder is started with. */
  readonly options: MountOptions;
  /** Its fds are numbers of a process that is gone. */
  readonly backing: Backing;
  /** The same holds for the channels, whose count is right. */
  readonly session: Session;
  /** null until the mount is ready; before that the session cannot be taken over. */
  readonly io: "served" | "direct" | null;
  readonly ioReason: string | null;
  readonly wasUnclean: boolean;
  readonly damage: string | null;
  readonly refused: readonly string[];
  readonly restarts: number;
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
  const record = JSON.parse(text) as SessionRecord & { readonly version?: number };
  if (record.version === RECORD_VERSION) return modernised(record);
  const reason = `was started by an incompatible version of kmemfs (record version: ${record.version ?? "none"})`;
  throw new UserError("the session", reason, { code: "EPROTO", cure: "stop the service and start it again" });
}

/** Older holders did not give up without ending, and noted passthrough without a tag, or null where it was not wanted. */
function modernised({ givenUp, session, ...record }: SessionRecord): SessionRecord {
  const noted = session.passthrough as Partial<Passthrough> | null;
  if (noted?.kind !== undefined) return { ...record, session, givenUp: givenUp ?? null };
  const passthrough: Passthrough =
    noted !== null && noted !== undefined && "backingId" in noted
      ? { kind: "registered", backingId: noted.backingId ?? 0 }
      : { kind: "unavailable", reason: record.ioReason ?? "served mode was requested", cure: "--io auto" };
  return { ...record, session: { ...session, passthrough }, givenUp: givenUp ?? null };
}

export interface SessionFds {
  readonly memoryFd: number;
  readonly nameFd: number;
  readonly backing: Backing;
  readonly channelFds: readonly number[];
}

/** The open files of a session, each once, by the name it is stored under. */
export function sessionFds(fds: SessionFds, noteFd: number): Map<string, number> {
  const { metaFd, dataFd, tmpfsFd } = fds.backing;
  const found = new Map([
    ["note", noteFd],
    ["memory", fds.memoryFd],
    ["name", fds.nameFd],
    ["meta", metaFd],
  ]);
  if (dataFd !== metaFd) found.set("data", dataFd);
  if (tmpfsFd !== undefined) found.set("tmpfs", tmpfsFd);
  for (const [name, fd] of channelNames(fds.channelFds)) found.set(name, fd);
  return found;
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
  let missing: string | null = null;
  const fd = (name: string): number => {
    const found = stored.get(name);
    if (found === undefined) missing ??= name;
    return found ?? -1;
  };
  const metaFd = fd("meta");
  const channelFds = session.channelFds.map((old) => fd(`channel${session.channelFds.indexOf(old)}`));
  const found = {
    backing: {
      ...backing,
      metaFd,
      dataFd: backing.dataFd === backing.metaFd ? metaFd : fd("data"),
      ...(backing.tmpfsFd === undefined ? {} : { tmpfsFd: fd("tmpfs") }),
    },
    session: { ...session, channelFds },
  };
  return missing === null ? found : { missing };
}
