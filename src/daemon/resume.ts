/**
 * Goes on with a session whose holder was killed, from what the service manager
 * kept. The server of that holder, if it still runs, is ended first: two must
 * never serve, and the kernel is to be asked again only for what nobody has.
 */
import { closeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../base/errors.js";
import type { Log } from "../base/ports.js";
import { adoptName, lockName, type NameLock } from "../linux/nameLock.js";
import { commandLine, isGone, openedBy } from "../linux/openedBy.js";
import { mapShared } from "../linux/process.js";
import type { SharedMemory } from "../linux/sharedMemory.js";
import { type OpenedPool, readSuperblock } from "./poolSuperblock.js";
import { removeDeadMount, type Session } from "./session.js";
import { SESSION_BYTES } from "./sessionMemory.js";
import { readRecord, type SessionRecord, withStoredFds } from "./sessionRecord.js";
import { lockPath, makeStateDirectory } from "./stateDirectory.js";

/** A killed server may have to wait for a slow disk before it is gone. */
const END_MS = 60_000;
const END_POLL_MS = 5;

export interface Resumed {
  readonly record: SessionRecord;
  readonly noteFd: number;
  readonly memory: SharedMemory & { readonly fd: number };
  readonly pool: OpenedPool;
  readonly session: Session;
  readonly name: NameLock;
}

/**
 * @param storedFds from the service manager; all of them are closed when nothing can be gone on with
 * @returns null when the session is over or not all of it is there: a new one can begin then
 * @throws UserError when it is another version's, or its server does not end
 */
export async function resumeSession(
  storedFds: ReadonlyMap<string, readonly number[]>,
  log: Log,
): Promise<Resumed | null> {
  const stored = new Map([...storedFds].flatMap(([name, [fd]]) => (fd === undefined ? [] : [[name, fd] as const])));
  const noteFd = stored.get("note");
  const memoryFd = stored.get("memory");
  const record = noteFd === undefined ? null : readRecord(noteFd);
  if (memoryFd !== undefined) await endServers(memoryFd);
  if (noteFd !== undefined && memoryFd !== undefined && record !== null) {
    const found = withStoredFds(record, stored);
    if (!("missing" in found)) {
      const { backing, session } = found;
      const name = takeName(record, stored.get("name"));
      const memory = { fd: memoryFd, ...mapShared(memoryFd, SESSION_BYTES) };
      return { record, noteFd, memory, pool: { backing, superblock: readSuperblock(backing) }, session, name };
    }
    log.warn({ mountpoint: record.options.mountpoint, missing: found.missing }, "the last session cannot go on");
  }
  for (const fds of storedFds.values()) for (const fd of fds) closeSync(fd);
  return null;
}

/** Takes away what is left of a session that could not be gone on with, once nobody keeps its fds. */
export async function clearAfter(directory: string): Promise<void> {
  await removeDeadMount(directory);
}

function takeName(record: SessionRecord, nameFd: number | undefined): NameLock {
  const { mountpoint } = record.options;
  makeStateDirectory();
  const path = lockPath(mountpoint);
  const name = nameFd === undefined ? lockName(path) : adoptName(path, nameFd);
  if (name !== null) return name;
  throw new UserError(`mount ${mountpoint}`, "its session is in another holder's hands", {
    code: "EBUSY",
    cure: "kmemfs status",
  });
}

/** Kills the servers that have the session's memory, and waits until they are gone. @throws UserError ETIMEDOUT */
async function endServers(memoryFd: number): Promise<void> {
  const deadlineMs = Date.now() + END_MS;
  for (const pid of openedBy(memoryFd)) {
    // Whoever keeps the fds for us has that memory too; a process without a command line is ending already.
    const words = commandLine(pid);
    const isServer = words.some((word) => word.endsWith("/serverMain.js"));
    if (!isServer && words.length > 0) continue;
    if (isServer) kill(pid);
    while (!isGone(pid)) {
      if (Date.now() > deadlineMs) {
        throw new UserError("the session", `its last server, process ${pid}, does not end`, { code: "ETIMEDOUT" });
      }
      await sleep(END_POLL_MS);
    }
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Gone meanwhile.
  }
}
