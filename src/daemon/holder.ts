/**
 * The holder: keeps the pool and the session open, starts the server, answers
 * `status` and ends everything in order. It does no I/O on the mount.
 */
import { rmSync } from "node:fs";
import type { Server } from "node:http";
import { join } from "node:path";
import { assert } from "../base/assert.js";
import { EBUSY, errnoName } from "../base/errno.js";
import { UserError } from "../base/errors.js";
import type { Log } from "../base/ports.js";
import { FUSE_HAS_RESEND } from "../fuse/abi.js";
import { Attributes } from "../fuse/attributes.js";
import { closeBacking } from "../linux/backing.js";
import { closeFuseBacking, isSessionOver } from "../linux/fuseDevice.js";
import { unmountDirectory } from "../linux/mountFuse.js";
import { lockName, type NameLock } from "../linux/nameLock.js";
import { prepareIoProcess, sharedMemory } from "../linux/process.js";
import { Beats } from "./beats.js";
import { listenForControl } from "./control.js";
import { closeDeadlineMs } from "./deadlines.js";
import { clearDiskByForce } from "./disk/clearDisk.js";
import { notDirect, requireWay } from "./ioWay.js";
import { openPool } from "./openPool.js";
import type { MountOptions } from "./options.js";
import type { OpenedPool } from "./poolSuperblock.js";
import { removeRecord, writeRecord } from "./record.js";
import { ServerKeeper } from "./serverKeeper.js";
import { describeEnd, inheritance, type ServerProcess, startServer } from "./serverProcess.js";
import { abortSession, closeSession, openSession, removeDeadMount, type Session } from "./session.js";
import { type DirectFacts, SESSION_BYTES, viewSession, writeFacts } from "./sessionMemory.js";
import {
  lockPath,
  makePrivateDirectory,
  makeStateDirectory,
  removePrivateDirectory,
  socketPath,
} from "./stateDirectory.js";
import type { MountStatus } from "./status.js";
import { buildStatus } from "./statusReport.js";

export interface HolderEvents {
  /** The mount is ready for use. */
  ready(status: MountStatus): void;
}

/**
 * Runs a mount from its beginning to its end.
 * @returns the exit code: 0 when it ended in order
 * @throws UserError when it cannot begin; nothing is left behind then
 */
export async function runHolder(options: MountOptions, log: Log, events: HolderEvents): Promise<number> {
  const holder = new Holder(options, log);
  await holder.start();
  events.ready(holder.status());
  return holder.untilEnd();
}

class Holder {
  private readonly socket: string;
  private readonly memory = sharedMemory(SESSION_BYTES);
  private refused: readonly string[] = [];
  /** Null until a server has found out. */
  private io: "served" | "direct" | null = null;
  private ioReason: string | null = null;
  private wasUnclean = false;
  private damage: string | null = null;
  private pool!: OpenedPool;
  private session!: Session;
  private keeper: ServerKeeper | null = null;
  private control: Server | null = null;
  private started = false;
  private stoppedBy: string | null = null;
  /** Somebody was made to let go. */
  private forced = false;
  private name!: NameLock;

  constructor(
    private readonly options: MountOptions,
    private readonly log: Log,
  ) {
    makeStateDirectory();
    this.socket = socketPath(options.mountpoint);
  }

  /** @throws UserError; what was begun is undone */
  async start(): Promise<void> {
    this.listenForSignals();
    this.name = this.takeName();
    try {
      this.refused = prepareIoProcess().refused;
      makePrivateDirectory(this.options.fuseDirectory);
      this.pool = openPool(this.options);
      const { kind, durable } = this.pool.backing;
      if (kind === "devdax" && !durable) {
        this.refused = [...this.refused, "PMEM: no libpmem.so.1, so a power cut may take what was flushed"];
      }
    } catch (error) {
      this.giveName();
      throw error;
    }
    try {
      const not = notDirect(this.options, this.pool);
      requireWay(this.options, not);
      this.session = openSession(this.options, this.pool.backing, not === null);
      const { passthrough } = this.session;
      this.ioReason = not?.reason ?? (passthrough !== null && "reason" in passthrough ? passthrough.reason : null);
    } catch (error) {
      this.closePool(true);
      this.giveName();
      throw error;
    }
    try {
      this.initAttributes();
      const keeper = this.keepServer();
      this.keeper = keeper;
      await this.untilReady(keeper);
      this.control = await listenForControl(this.socket, {
        status: () => this.status(),
        stop: (force) => this.stop(force),
        restart: () => keeper.replace(),
      });
      writeRecord(this.options);
      this.refuseIfStopped();
      this.started = true;
      if (this.options.spare) keeper.keepSpare();
    } catch (error) {
      abortSession(this.session);
      this.keeper?.abandon();
      await this.keeper?.ended;
      await this.letGo(false, true);
      throw error;
    }
    const { mountpoint } = this.options;
    if (this.wasUnclean) this.log.warn({ mountpoint }, "the pool was not closed last time; all of it was checked");
    this.log.info({ mountpoint, serverPid: this.keeper?.pid, refused: this.refused }, "mounted");
  }

  status(): MountStatus {
    return buildStatus({
      options: this.options,
      pool: this.pool,
      memory: viewSession(this.memory.bytes),
      serverPid: this.keeper?.pid ?? null,
      restarts: this.keeper?.restarts ?? 0,
      lastDeath: this.keeper?.lastDeath ?? null,
      refused: this.refused,
      io: this.io ?? "served",
      ioReason: this.ioReason,
      wasUnclean: this.wasUnclean,
      damage: this.damage,
    });
  }

  /** Waits for the last server's end, which is the session's too, and clears up. @returns the exit code */
  async untilEnd(): Promise<number> {
    assert(this.keeper !== null, "a mount that was not started ends");
    const end = await this.keeper.ended;
    const { mountpoint } = this.options;
    const inOrder = end.closed && end.exitCode === 0;
    // Under a loop device a dead mount stays, so that the device can be told by its file: `down` takes both away.
    const keepMount = this.status().loopDevices.length > 0;
    if (inOrder) {
      this.log.info({ mountpoint, forced: this.forced }, "unmounted");
    } else {
      this.log.error({ mountpoint, ...end }, `the server ${describeEnd(end)}; the mount ends`);
      // Nobody will answer any more: callers get an error now rather than wait for ever.
      abortSession(this.session, keepMount);
    }
    await this.letGo(keepMount, false);
    return inOrder && !this.forced ? 0 : 1;
  }

  /** @throws UserError when another mount is called the same */
  private takeName(): NameLock {
    const { mountpoint } = this.options;
    const name = lockName(lockPath(mountpoint));
    if (name !== null) return name;
    throw new UserError(`mount ${mountpoint}`, "a kmemfs mount of that name is running or starting", {
      code: "EBUSY",
      cure: "kmemfs status",
    });
  }

  /** @param failed a pool that was made for this mount goes again, before anybody else can lock it */
  private closePool(failed: boolean): void {
    const { createdPath, backing } = this.pool;
    if (failed && createdPath !== undefined) removeQuietly(createdPath);
    closeBacking(backing);
  }

  private initAttributes(): void {
    const { attributeDoubles } = viewSession(this.memory.bytes);
    const mode = this.options.readOnly ? 0o400 : 0o600;
    new Attributes(attributeDoubles).init(mode, process.geteuid?.() ?? 0, process.getegid?.() ?? 0, Date.now());
  }

  private keepServer(): ServerKeeper {
    const { restarts, watchdogSeconds, mountpoint } = this.options;
    return new ServerKeeper({
      launch: (isRestart, standby) => this.launch(isRestart, standby),
      whyLast: () => this.whyLast(),
      beats: new Beats(viewSession(this.memory.bytes).beatWords),
      mostDeaths: restarts,
      hangMs: watchdogSeconds * 1000,
      log: this.log,
      mountpoint,
    });
  }

  private launch(isRestart: boolean, standby: boolean): ServerProcess {
    const { fds, ...facts } = inheritance(this.pool.backing, this.session.channelFds);
    const { readOnly, atomicWrites, mountpoint } = this.options;
    writeFacts(this.memory.bytes, { ...facts, isRestart, readOnly, atomicWrites, direct: this.directFacts() });
    return startServer(
      { sessionFd: this.memory.fd, furtherFds: fds, standby },
      {
        warning: (message) => this.log.warn({ mountpoint }, message),
        damage: (message) => {
          if (this.damage === message) return;
          this.damage = message;
          this.log.error({ mountpoint }, `the pool is damaged and the mount read-only now: ${message}`);
        },
      },
    );
  }

  /** What is open the one way cannot go on the other. */
  private directFacts(): DirectFacts | null {
    const { passthrough } = this.session;
    if (passthrough === null || "reason" in passthrough) return null;
    if (this.io === "served") return null;
    return { backingId: passthrough.backingId, only: this.options.io === "direct" };
  }

  /** A session that is over needs no kernel's help: the next server closes the pool. */
  private whyLast(): string | null {
    const { init, channelFds } = this.session;
    if ((init.flags2 & FUSE_HAS_RESEND) !== 0 || isSessionOver(channelFds[0])) return null;
    return "this kernel cannot ask another one again (Linux 6.9 can)";
  }

  private async untilReady(keeper: ServerKeeper): Promise<void> {
    try {
      const { refused, io, ioReason, wasUnclean } = await keeper.ready;
      this.wasUnclean = wasUnclean;
      this.refused = [...new Set([...this.refused, ...refused])];
      this.io = io;
      const { passthrough, channelFds } = this.session;
      // Nothing will ever be opened with it.
      if (io === "served" && passthrough !== null && "backingId" in passthrough) {
        closeFuseBacking(channelFds[0], passthrough.backingId);
      }
      this.ioReason ??= ioReason;
    } catch (error) {
      this.refuseIfStopped();
      const path = this.pool.backing.path ?? this.pool.backing.kind;
      const { reason, options } = error as UserError;
      const why = reason.startsWith(`${path}: `) ? reason.slice(path.length + 2) : reason;
      throw new UserError(path, `cannot be mounted: ${why}`, { cure: `kmemfs check ${path}`, ...options });
    }
  }

  /** @throws UserError when the mount is busy and not forced */
  private async stop(force: boolean): Promise<void> {
    // By force the connection goes first: unmounting may wait for a server that hangs.
    if (force) {
      this.forced = true;
      abortSession(this.session);
    } else {
      this.unmount();
    }
    this.endWithinDeadline(force);
  }

  private unmount(): void {
    const errno = unmountDirectory(this.session.directory);
    if (errno === 0) return;
    const { mountpoint } = this.options;
    throw new UserError(`unmount ${mountpoint}`, errno === EBUSY ? "still in use" : "the kernel refused it", {
      code: errnoName(errno),
      cure: "kmemfs status, and fuser -vm on its directory, say who",
    });
  }

  /** The server closes the pool by itself when the session is over; a hung one is not waited for. */
  private endWithinDeadline(force: boolean): void {
    const deadlineMs = closeDeadlineMs(this.pool.backing.durable, force);
    setTimeout(() => {
      const { mountpoint } = this.options;
      this.log.error({ mountpoint }, "the server did not close the pool in time and is killed");
      this.keeper?.abandon();
    }, deadlineMs).unref();
  }

  /** A signal during the start undoes the start; later it takes the disk down. */
  private listenForSignals(): void {
    const onSignal = (signal: string): void => {
      if (this.stoppedBy !== null) return;
      this.stoppedBy = signal;
      if (this.started) this.takeDown(signal);
      else this.keeper?.abandon();
    };
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => onSignal(signal));
    process.on("uncaughtException", (error) => {
      this.log.error(
        { mountpoint: this.options.mountpoint, error: error.stack },
        "a bug in the holder; the mount ends",
      );
      if (this.started) abortSession(this.session);
      this.keeper?.abandon();
    });
  }

  private refuseIfStopped(): void {
    if (this.stoppedBy === null) return;
    throw new UserError(`mount ${this.options.mountpoint}`, `stopped by ${this.stoppedBy}`, { code: "EINTR" });
  }

  /** File systems, loop devices, the mount; by force where somebody will not let go. */
  private async takeDown(signal: string): Promise<void> {
    const { mountpoint } = this.options;
    this.log.info({ mountpoint, signal }, "stopping");
    try {
      const forced = await clearDiskByForce({ mountpoint, file: join(this.options.fuseDirectory, "disk") });
      for (const line of forced) this.log.warn({ mountpoint }, line);
      this.forced ||= forced.length > 0;
      await this.stop(false);
    } catch (error) {
      this.log.error({ mountpoint, error: String(error) }, "stopping by force");
      await this.stop(true);
    }
  }

  /** The name goes last: until then nobody else mounts where we do. */
  private async letGo(keepMount: boolean, failed: boolean): Promise<void> {
    if (this.control !== null) {
      this.control.close();
      this.control.closeAllConnections();
      removeQuietly(this.socket);
    }
    closeSession(this.session);
    this.closePool(failed);
    // What somebody else aborted is still there, and answers nobody.
    if (!keepMount) {
      await removeDeadMount(this.session.directory);
      removeRecord(this.options.mountpoint);
    }
    this.giveName();
  }

  private giveName(): void {
    removePrivateDirectory(this.options.fuseDirectory);
    this.name.release();
  }
}

/** What cannot be removed must not keep the rest from being let go. */
function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // A read-only file system, or not ours any more.
  }
}
