/**
 * A mounted session: the fds that keep it alive, the mount, and INIT answered.
 * All of it belongs to the holder; servers come and go.
 */
import { closeSync } from "node:fs";
import { availableParallelism } from "node:os";
import { EINTR, ENODEV, ENOENT, errnoName } from "../base/errno.js";
import { UserError } from "../base/errors.js";
import { answerInit, type InitResult } from "../fuse/init.js";
import type { BackingFacts } from "../linux/backing.js";
import { cloneFuseDevice, FuseChannel, openFuseDevice } from "../linux/fuseDevice.js";
import { abortConnection, connectionOf, mountFuse, mountWithFusermount, unmountDirectory } from "../linux/mountFuse.js";
import { mountOn } from "../linux/mounts.js";
import { composeExchange } from "./compose.js";
import type { MountOptions } from "./options.js";

/** More threads than this gained nothing, as the kernel's queue lock is shared. */
const MOST_WORKERS = 8;

export interface Session {
  readonly directory: string;
  /** Which mount is ours: another may be made at the same place later. */
  readonly mountId: number | null;
  /** Number of the kernel's FUSE connection. */
  readonly connection: number | null;
  readonly init: InitResult;
  /** One fd a worker; the first is the session's own. All stay open here as long as the session lives. */
  readonly channelFds: readonly number[];
}

/** Mounts and answers INIT. @throws UserError; nothing is left mounted then */
export function openSession(options: MountOptions, backing: BackingFacts): Session {
  const mountOptions = {
    readOnly: options.readOnly,
    allowOther: options.allowOther,
    source: backing.path ?? "kmemfs",
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
  const mountId = mountOn(directory)?.mountId ?? null;
  const mounted = { directory, mountId, connection: connectionOf(directory) };
  try {
    const init = negotiate(fd, directory);
    return { ...mounted, init, channelFds: [fd, ...cloneChannels(fd, workerCount(options) - 1)] };
  } catch (error) {
    closeSync(fd);
    detach(mounted);
    throw error;
  }
}

/** Two on two CPUs: one serves while the other sleeps; measured in docs/decisions. */
function workerCount(options: MountOptions): number {
  return options.workers ?? Math.min(MOST_WORKERS, Math.max(2, availableParallelism()));
}

/** A user may not open /dev/fuse for a clone: then all threads share the one fd. */
function cloneChannels(fd: number, count: number): number[] {
  const clones: number[] = [];
  for (let i = 0; i < count; i++) {
    const clone = cloneFuseDevice(fd);
    clones.push(clone < 0 ? fd : clone);
  }
  return clones;
}

function negotiate(fd: number, directory: string): InitResult {
  const channel = new FuseChannel(fd);
  const buffers = composeExchange();
  for (;;) {
    const length = channel.read(buffers.requestAddress, buffers.requestBytes);
    if (length === -EINTR || length === -ENOENT) continue;
    if (length < 0) {
      const reason = length === -ENODEV ? "the mount went away at once" : "the kernel sent no INIT";
      throw new UserError(`mount ${directory}`, reason, { code: errnoName(-length) });
    }
    buffers.exchange.lengthBytes = length;
    const result = answerInit(buffers.exchange);
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

/** Closes our fds: the kernel ends the session when no server has them either. */
export function closeSession(session: Session): void {
  for (const fd of new Set(session.channelFds)) closeSync(fd);
}

/** Ends a session's requests with an error, whoever waits, and takes it out of the directory tree. */
export function abortSession(session: Session): void {
  if (session.connection !== null) abortConnection(session.connection);
  detach(session);
}

/** Unmounts lazily, if what is mounted there is still ours. */
function detach(session: Pick<Session, "directory" | "mountId">): void {
  if (mountOn(session.directory)?.mountId === session.mountId) unmountDirectory(session.directory, { lazy: true });
}
