/**
 * Takes over a session whose holder was killed, from the fds that the service manager
 * kept. A server of that holder that still runs is killed first: two must never serve,
 * and the kernel must resend only requests that no server has.
 */
import { closeSync } from "node:fs";
import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../../base/errors.js";
import type { Log } from "../../base/ports.js";
import { commandLine, isGone, openedBy } from "../../linux/proc/openedBy.js";
import { prepareIoProcess } from "../../linux/process/ioProcess.js";
import { SERVER_PROGRAM } from "../../linux/process/programs.js";
import { mapShared } from "../../linux/process/sharedMemory.js";
import { readPool } from "../../media/readSuperblock.js";
import { takeName } from "../../mounts/mountName.js";
import { removeMountRecord } from "../../mounts/mountRecord.js";
import type { AskedOptions, MountOptions } from "../../mounts/options.js";
import { diskPaths, removeQuietly } from "../../mounts/stateDirectory.js";
import { SESSION_BYTES } from "../session/sessionMemory.js";
import { leaveToNext, mayPass } from "./nextHolder.js";
import { giveName, type Mount } from "./openMount.js";
import type { Service } from "./service.js";
import { deviceOf, failSession, removeDeadMounts, whyLast } from "./session.js";
import { isChannel, readSessionRecord, type SessionRecord, withStoredFds } from "./sessionRecord.js";

/** A killed server may have to wait for a slow disk before it is gone. */
const END_MS = 60_000;
const END_POLL_MS = 5;

/**
 * Looks at what the service manager kept. Of a session that cannot be gone on
 * with (it was never ready, or not all of it is there) nothing is left, but for
 * a dead mount under a loop device. What may pass ends this process, and the
 * next holder tries again.
 * @param asked where it left no record it says where the mount is
 * @returns null when a new session can begin
 * @throws UserError when it is another version's
 */
export async function resumeMount(service: Service, log: Log, asked: AskedOptions): Promise<Mount | null> {
  const { storedFds } = service;
  const stored = new Map([...storedFds].flatMap(([name, [fd]]) => (fd === undefined ? [] : [[name, fd] as const])));
  const noteFd = stored.get("note");
  const memoryFd = stored.get("memory");
  let record: SessionRecord | null = null;
  try {
    record = noteFd === undefined ? null : readSessionRecord(noteFd);
    if (memoryFd !== undefined) await endServers(memoryFd);
    const found = takeUp(service, stored, record);
    if (typeof found !== "string") {
      warnOfOtherOptions(asked, found.options, log);
      return found;
    }
    log.warn({ mountpoint: record?.options.mountpoint }, `the last session cannot be resumed: ${found}`);
  } catch (error) {
    if (service.isManaged && mayPass(error)) return leaveToNext(error, log);
    await letGo(service, stored, record, asked);
    throw error;
  }
  await letGo(service, stored, record, asked);
  return null;
}

/** @returns for people: why it cannot go on */
function takeUp(service: Service, stored: ReadonlyMap<string, number>, record: SessionRecord | null): Mount | string {
  const noteFd = stored.get("note");
  const memoryFd = stored.get("memory");
  if (record === null || noteFd === undefined) return "it left no record";
  if (memoryFd === undefined) return "its memory was not kept";
  const found = withStoredFds(record, stored);
  if ("missing" in found) return `${found.missing} was not kept`;
  if (record.io === null) return "it was never ready";
  // One that was given up has no session that another server could go on with, and needs none.
  const why = record.givenUp === null ? whyLast(found.session) : null;
  if (why !== null) return why;
  const { session } = found;
  const pool = readPool(found.backing);
  const memory = { fd: memoryFd, ...mapShared(memoryFd, SESSION_BYTES) };
  const name = takeName(record.options.mountpoint, stored.get("name"));
  if (record.givenUp !== null) {
    // Of a new session that was begun and not noted: with its last fd it is over.
    for (const [kept, fds] of service.storedFds) if (isChannel(kept)) for (const fd of fds) closeSync(fd);
  }
  const { options, givenUp, backing: _old, session: _closed, ...noted } = record;
  const facts = {
    ...noted,
    refused: [...new Set([...noted.refused, ...prepareIoProcess().refused])],
    restarts: noted.restarts + (givenUp === null ? 1 : 0),
    lastDeath: givenUp?.replace(/^the server /, "") ?? "was killed along with its holder",
  };
  const store = async (): Promise<void> => service.keepOn(noteFd);
  return { options, name, memory, pool, session, facts, givenUp, isInUse: true, store };
}

/** Ends the session whose fds these are, in the order in which a holder does. */
async function letGo(
  service: Service,
  stored: ReadonlyMap<string, number>,
  record: SessionRecord | null,
  asked: AskedOptions,
): Promise<void> {
  const channelFd = stored.get("channel0");
  const nameFd = stored.get("name");
  const memoryFd = stored.get("memory");
  if (record !== null && channelFd !== undefined) failSession({ ...record.session, channelFds: [channelFd] });
  // Of a note that was refused they still run; those that cannot be found or ended see that the session is over.
  if (memoryFd !== undefined) await endServers(memoryFd).catch(() => {});
  for (const fd of [...service.storedFds.values()].flat()) if (fd !== nameFd) closeSync(fd);
  await service.drop();
  const options = record?.options ?? readAsked(asked);
  if (options === null) return;
  // Only now, as nobody has its fds any more, it answers that it is dead.
  const device = record === null ? null : deviceOf(record.session);
  const isRemoved = await removeDeadMounts(options.fuseDirectory, device);
  // Without the name all that has it may be another mount's by now.
  if (nameFd === undefined) return;
  removeQuietly(diskPaths(options.mountpoint).socket);
  if (isRemoved) removeMountRecord(options.mountpoint);
  giveName(takeName(options.mountpoint, nameFd), options);
}

/** @returns null when they cannot be read: whoever needs them is told then */
function readAsked(asked: AskedOptions): MountOptions | null {
  try {
    return asked(true);
  } catch {
    return null;
  }
}

/** For people who changed the configuration of a session that goes on. */
function warnOfOtherOptions(asked: AskedOptions, has: MountOptions, log: Log): void {
  const { mountpoint } = has;
  const message = "the session keeps the options it was started with";
  try {
    const options = asked(true);
    const names = new Set([...Object.keys(options), ...Object.keys(has)]) as Set<keyof MountOptions>;
    const differ = [...names].toSorted().filter((name) => JSON.stringify(options[name]) !== JSON.stringify(has[name]));
    if (differ.length > 0) log.warn({ mountpoint, differ }, message);
  } catch (error) {
    log.warn({ mountpoint, error: String(error) }, message);
  }
}

/** Kills the servers that have the session's memory, and waits until they are gone. @throws UserError ETIMEDOUT, EOPNOTSUPP */
async function endServers(memoryFd: number): Promise<void> {
  const deadlineMs = Date.now() + END_MS;
  for (const pid of openedBy(memoryFd)) {
    // Whoever keeps the fds for us has that memory too; a process without a command line is ending already.
    const words = commandLine(pid);
    const isServer = words.some((word) => word.endsWith(`/${basename(SERVER_PROGRAM)}`));
    if (!isServer && words.length > 0) continue;
    if (isServer) kill(pid);
    while (!isGone(pid)) {
      if (Date.now() > deadlineMs) {
        throw new UserError("the session", `its last server, process ${pid}, does not exit`, { code: "ETIMEDOUT" });
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
