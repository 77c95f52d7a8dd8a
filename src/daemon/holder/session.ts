/**
 * A mounted session: the fds that keep it alive, the mount, and INIT answered.
 * All of it belongs to the holder; servers come and go.
 */
import { closeSync } from "node:fs";
import { availableParallelism } from "node:os";
import { EBUSY, EINTR, ENODEV, ENOENT, errnoName } from "../../base/errno.js";
import { UserError } from "../../base/errors.js";
import { loopsByPath, loopsOfDevices } from "../../disk/loopFiles.js";
import { FUSE_HAS_RESEND } from "../../fuse/abi.js";
import { answerInit, type InitResult } from "../../fuse/init.js";
import type { Backing } from "../../linux/backing/backing.js";
import { abortConnection, connectionOf } from "../../linux/fuse/fuseConnection.js";
import { cloneFuseDevice, FuseChannel, isSessionOver, openFuseDevice } from "../../linux/fuse/fuseDevice.js";
import { mountWithFusermount } from "../../linux/fuse/fusermount.js";
import { mountFuse } from "../../linux/fuse/mountFuse.js";
import { livenessOf } from "../../linux/mount/liveness.js";
import { detachExactly, isMounted, unmountExactly } from "../../linux/mount/mountHandle.js";
import { type MountEntry, mountOn, readMounts } from "../../linux/proc/mounts.js";
import { readNamespaces } from "../../linux/proc/namespaces.js";
import type { MountOptions } from "../../mounts/options.js";
import { composeExchange } from "../session/exchange.js";
import { type Obstacle, type Passthrough, registerData } from "./ioMode.js";

/** A bound for machines with many CPUs, which were not measured; `--workers` can exceed it. */
const MOST_WORKERS = 8;
/** FUSE_MIN_READ_BUFFER: no larger request comes before INIT is answered. */
const INIT_REQUEST_BYTES = 8192;

export interface Session {
  readonly directory: string;
  /** Number of the kernel's FUSE connection; the kernel gives it to another mount once ours is over. */
  readonly connection: number | null;
  readonly init: InitResult;
  /** One fd a worker; the first is the session's own. All stay open here as long as the session lives. */
  readonly channelFds: readonly number[];
  readonly passthrough: Passthrough;
}

/**
 * Mounts and answers INIT.
 * @param obstacle why the pool's data is not even registered for passthrough
 * @throws UserError; nothing is left mounted then
 */
export function openSession(options: MountOptions, backing: Backing, obstacle: Obstacle | null): Session {
  const mountOptions = {
    readOnly: options.readOnly,
    allowOther: options.allowOther,
    source: options.source ?? backing.path ?? "kmemfs",
  };
  const directory = options.fuseDirectory;
  const isRoot = process.geteuid?.() === 0;
  const fd = isRoot ? openFuseDevice() : mountWithFusermount(directory, mountOptions);
  try {
    if (isRoot) mountFuse(fd, directory, mountOptions);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  const mounted = { directory, connection: connectionOf(directory), channelFds: [fd] };
  try {
    const init = negotiate(fd, directory, obstacle === null);
    const passthrough: Passthrough =
      obstacle === null ? registerData(options, fd, init.flags2, backing.dataFd) : { kind: "unavailable", ...obstacle };
    return { ...mounted, init, passthrough, channelFds: [fd, ...cloneChannels(fd, workerCount(options) - 1)] };
  } catch (error) {
    abortSession(mounted);
    closeSync(fd);
    throw error;
  }
}

/** One more than there are CPUs; see docs/decisions/0006. */
function workerCount(options: MountOptions): number {
  return options.workers ?? Math.min(MOST_WORKERS, availableParallelism() + 1);
}

/** A user cannot open /dev/fuse for a clone: then all threads share one fd. */
function cloneChannels(fd: number, count: number): number[] {
  const clones: number[] = [];
  for (let i = 0; i < count; i++) {
    const clone = cloneFuseDevice(fd);
    clones.push(clone < 0 ? fd : clone);
  }
  return clones;
}

function negotiate(fd: number, directory: string, passthrough: boolean): InitResult {
  const channel = new FuseChannel(fd);
  const buffers = composeExchange(INIT_REQUEST_BYTES);
  for (;;) {
    const length = channel.read(buffers.requestAddress, buffers.requestBytes);
    if (length === -EINTR || length === -ENOENT) continue;
    if (length < 0) {
      const reason = length === -ENODEV ? "the mount disappeared at once" : "the kernel sent no INIT";
      throw new UserError(`mount ${directory}`, reason, { code: errnoName(-length) });
    }
    buffers.exchange.lengthBytes = length;
    const result = answerInit(buffers.exchange, passthrough);
    channel.writev(buffers.iovecAddress, buffers.iovecs.count);
    if (result === null) {
      throw new UserError(`mount ${directory}`, "this kernel's FUSE is too old", {
        code: "EPROTO",
        cure: "Linux 4.20 or newer",
      });
    }
    if (result !== "again") return result;
  }
}

/**
 * For people: why no other server can go on where one stopped; null when one can.
 * A session that is over needs no kernel's help: the next server closes the pool.
 */
export function whyLast({ init, channelFds }: Session): string | null {
  if ((init.flags2 & FUSE_HAS_RESEND) !== 0 || isSessionOver(channelFds[0])) return null;
  return "this kernel cannot resend requests to another server (Linux 6.9 can)";
}

/** Closes the holder's fds; the kernel ends the session when no server has them either. */
export function closeSession(session: Session): void {
  for (const fd of new Set(session.channelFds)) closeSync(fd);
}

/** True when a session was ended, or given up and its fds closed. */
export function isOver({ channelFds }: Pick<Session, "channelFds">): boolean {
  return channelFds.length === 0 || isSessionOver(channelFds[0]);
}

/** `MAJ:MIN` of a session's mounts; null where /proc does not tell. */
export function deviceOf({ connection }: Pick<Session, "connection">): string | null {
  return connection === null ? null : `0:${connection}`;
}

/** As `deviceOf`, but null when it is over and gone: the number may be another mount's by now. */
export function deviceNow(session: Pick<Session, "connection" | "directory" | "channelFds">): string | null {
  const device = deviceOf(session);
  if (!isOver(session)) return device;
  return placesOf(session).some((place) => place.mountpoint === session.directory) ? device : null;
}

/** The mounts of a session in our namespace, wherever they are now; the newest first. */
function placesOf(session: Pick<Session, "connection">): MountEntry[] {
  const device = deviceOf(session);
  return readMounts()
    .filter((entry) => entry.majorMinor === device && entry.fsType === "fuse.kmemfs")
    .reverse();
}

/** The directory where a session is mounted now: it may have been moved, or be gone. */
export function directoryNow(session: Pick<Session, "connection" | "directory">): string {
  const places = placesOf(session).filter((entry) => entry.root === "/");
  const same = places.find((entry) => entry.mountpoint === session.directory);
  return (same ?? places.at(-1))?.mountpoint ?? session.directory;
}

/** @throws UserError EBUSY while it is in use, or something is mounted over it */
export function unmountSession(session: Session, mountpoint: string): void {
  const what = `unmount ${mountpoint}`;
  for (const place of placesOf(session)) {
    const errno = unmountExactly(what, place);
    if (errno === 0 || errno === ENOENT) continue;
    throw new UserError(what, errno === EBUSY ? "still in use" : "the kernel refused it", {
      code: errnoName(errno),
      cure: "kmemfs status, and fuser -vm on its directory, show what uses it",
    });
  }
}

type Mounted = Pick<Session, "directory" | "connection" | "channelFds">;

/**
 * Ends a session's requests with an error, whoever waits, and takes it out of
 * the directory tree (unless `keepMount`). Does nothing to one that is over:
 * its number, and its place, may be another mount's by now.
 */
export function abortSession(session: Mounted, keepMount = false): void {
  if (isOver(session)) return;
  const places = placesOf(session);
  // First, while it is alive and the number is ours: unmounting could wait for a server that hangs.
  if (session.connection !== null) abortConnection(session.connection);
  if (!keepMount) detachAll(places);
}

/** A dead mount below another mount stays: detaching it would detach the other too. */
function detachAll(places: readonly MountEntry[]): void {
  for (const place of places) {
    try {
      detachExactly(`unmount ${place.mountpoint}`, place);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
    }
  }
}

/** Aborts a session that no server will serve again: callers get an error instead of waiting forever. */
export function failSession(session: Mounted): void {
  const device = deviceOf(session);
  // Perhaps under one that is only called so: who removes what is dead asks it.
  abortSession(session, device !== null && loopsByPath(device, readMounts()).length > 0);
}

/**
 * Removes what a session that is over leaves: mounts that nobody answers for.
 * @param device of the session; null where nobody knows: what is on top at `directory`
 * @returns false when they stay
 */
export async function removeDeadMounts(directory: string, device: string | null): Promise<boolean> {
  const wanted = device ?? mountOn(directory, readMounts())?.majorMinor ?? null;
  if (wanted === null) return true;
  if (await isUnderLoop(wanted)) return false;
  const places = readMounts().filter((entry) => entry.majorMinor === wanted && entry.fsType === "fuse.kmemfs");
  const lives = await Promise.all(places.map(livenessOf));
  detachAll(places.filter((_place, i) => lives[i] === "dead").reverse());
  return !places.some((place, i) => lives[i] === "dead" && isMounted(place));
}

/** Under a loop device a dead mount stays, so that the device can be told by its file: `down` takes both away. */
async function isUnderLoop(device: string): Promise<boolean> {
  const loops = loopsByPath(device, readMounts());
  if (loops.length === 0) return false;
  const { ours, silent } = await loopsOfDevices(new Set([device]), readNamespaces(), loops, true);
  return ours.length + silent.length > 0;
}
