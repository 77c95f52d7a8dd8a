/**
 * Goes on with a session whose holder was killed, from what the service manager
 * kept. The server of that holder, if it still runs, is ended first: two must
 * never serve, and the kernel is to be asked again only for what nobody has.
 */
import { closeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../base/errors.js";
import type { Log } from "../base/ports.js";
import type { NameLock } from "../linux/nameLock.js";
import { commandLine, isGone, openedBy } from "../linux/openedBy.js";
import { mapShared, type SharedMemory } from "../linux/process.js";
import { takeName } from "./mountName.js";
import type { MountOptions } from "./options.js";
import { type OpenedPool, readSuperblock } from "./poolSuperblock.js";
import type { Service } from "./service.js";
import { removeDeadMount, type Session } from "./session.js";
import { SESSION_BYTES } from "./sessionMemory.js";
import { readRecord, type SessionRecord, withStoredFds } from "./sessionRecord.js";

/** A killed server may have to wait for a slow disk before it is gone. */
const END_MS = 60_000;
const END_POLL_MS = 5;

export interface Resumed {
  readonly record: SessionRecord;
  readonly memory: SharedMemory & { readonly fd: number };
  readonly pool: OpenedPool;
  readonly session: Session;
  readonly name: NameLock;
}

/**
 * Looks at what the service manager kept. Of a session that cannot be gone on
 * with (it was never ready, or not all of it is there) nothing is left.
 * @returns null when a new session can begin
 * @throws UserError when it is another version's, or its server does not end
 */
export async function resumeSession(service: Service, log: Log): Promise<Resumed | null> {
  const { storedFds } = service;
  const stored = new Map([...storedFds].flatMap(([name, [fd]]) => (fd === undefined ? [] : [[name, fd] as const])));
  const noteFd = stored.get("note");
  const memoryFd = stored.get("memory");
  const record = noteFd === undefined ? null : readRecord(noteFd);
  if (memoryFd !== undefined) await endServers(memoryFd);
  if (noteFd !== undefined && memoryFd !== undefined && record !== null) {
    const found = withStoredFds(record, stored);
    if (record.io !== null && !("missing" in found)) {
      const { backing, session } = found;
      const name = takeName(record.options.mountpoint, stored.get("name"));
      const memory = { fd: memoryFd, ...mapShared(memoryFd, SESSION_BYTES) };
      service.keepOn(noteFd);
      return { record, memory, pool: { backing, superblock: readSuperblock(backing) }, session, name };
    }
    const why = "missing" in found ? `${found.missing} was not kept` : "it was never ready";
    log.warn({ mountpoint: record.options.mountpoint }, `the last session cannot go on: ${why}`);
  }
  for (const fds of storedFds.values()) for (const fd of fds) closeSync(fd);
  await service.drop();
  // Only now, as nobody has its fds any more, it answers that it is dead.
  if (record !== null) await removeDeadMount(record.session.directory);
  return null;
}

/** For people who changed the configuration of a session that goes on. */
export function warnOfOtherOptions(asked: MountOptions, has: MountOptions, log: Log): void {
  const names = new Set([...Object.keys(asked), ...Object.keys(has)]) as Set<keyof MountOptions>;
  const differ = [...names].filter((name) => JSON.stringify(asked[name]) !== JSON.stringify(has[name]));
  if (differ.length === 0) return;
  log.warn({ mountpoint: has.mountpoint, differ }, "the session goes on with the options it was begun with");
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
