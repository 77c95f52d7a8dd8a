/**
 * The holder: keeps the pool and the session open, starts the server, answers
 * `status` and ends everything in order. It does no I/O on the mount.
 */
import { release } from "node:os";
import { join } from "node:path";
import { assert } from "../base/assert.js";
import { UserError } from "../base/errors.js";
import type { Log } from "../base/ports.js";
import { closeFuseBacking, isSessionOver } from "../linux/fuseDevice.js";
import type { NameLock } from "../linux/nameLock.js";
import { NO_SERVICE } from "../linux/notify.js";
import { prepareIoProcess, type SharedMemory, sharedMemory } from "../linux/process.js";
import { Beats } from "./beats.js";
import { ControlDoor } from "./control.js";
import { closeDeadlineMs } from "./deadlines.js";
import { clearDiskByForce } from "./disk/clearDisk.js";
import { EndSignals } from "./endSignals.js";
import { kernelLacks } from "./kernelLacks.js";
import { leaveToNext, mayPass } from "./nextHolder.js";
import { closePool, giveName, openMount } from "./openMount.js";
import type { AskedOptions, MountOptions } from "./options.js";
import type { OpenedPool } from "./poolSuperblock.js";
import { removeRecord, writeRecord } from "./record.js";
import { type Resumed, resumeSession, warnOfOtherOptions } from "./resume.js";
import { ServerKeeper } from "./serverKeeper.js";
import { describeEnd, inheritance, type ServerProcess, startServer } from "./serverProcess.js";
import { Service } from "./service.js";
import {
  abortSession,
  closeSession,
  failSession,
  removeDeadMount,
  type Session,
  unmountSession,
  whyLast,
} from "./session.js";
import { type DirectFacts, initAttributes, SESSION_BYTES, viewSession, writeFacts } from "./sessionMemory.js";
import type { SessionFds, SessionRecord } from "./sessionRecord.js";
import { socketPath } from "./stateDirectory.js";
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
export async function runHolder(
  asked: AskedOptions,
  log: Log,
  events: HolderEvents,
  environment = NO_SERVICE,
): Promise<number> {
  const signals = new EndSignals();
  const service = new Service(environment, log);
  const resumed = service.storedFds.size === 0 ? null : await resumeSession(service, log, asked);
  if (resumed !== null) warnOfOtherOptions(asked, resumed.record.options, log);
  const holder = new Holder(resumed?.record.options ?? asked(false), log, service, signals, resumed);
  await holder.start();
  events.ready(holder.status());
  return holder.untilEnd();
}

class Holder {
  private readonly memory: SharedMemory & { readonly fd: number };
  private refused: readonly string[] = [];
  /** Null until a server has found out. */
  private io: "served" | "direct" | null = null;
  private ioReason: string | null = null;
  private wasUnclean = false;
  private damage: string | null = null;
  private pool!: OpenedPool;
  private session!: Session;
  private keeper: ServerKeeper | null = null;
  private control: ControlDoor | null = null;
  private started = false;
  /** Somebody was made to let go. */
  private forced = false;
  private name!: NameLock;

  constructor(
    private readonly options: MountOptions,
    private readonly log: Log,
    private readonly service: Service,
    private readonly signals: EndSignals,
    /** A session that another holder began. */
    private readonly resumed: Resumed | null,
  ) {
    this.memory = resumed?.memory ?? sharedMemory(SESSION_BYTES);
  }

  /** @throws UserError; what was begun is undone */
  async start(): Promise<void> {
    this.listenForSignals();
    if (this.resumed === null) this.begin();
    else this.goOn(this.resumed);
    let stoppedBy: string | null = null;
    try {
      if (this.resumed === null) {
        initAttributes(this.memory.bytes, this.options);
        await this.service.keep(this.fds(), this.record());
      }
      const keeper = this.keepServer();
      this.keeper = keeper;
      await this.untilReady(keeper);
      this.service.note(this.record());
      await this.openControl(keeper);
      writeRecord(this.options);
      this.refuseIfStopped();
      this.started = true;
      // A signal that came before; a later one sees that it has started.
      stoppedBy = this.signals.first;
      // A spare is of no use where nobody can go on.
      if (this.options.spare && whyLast(this.session) === null) keeper.keepSpare();
    } catch (error) {
      if (this.resumed !== null && this.service.isManaged && mayPass(error)) await leaveToNext(error, this.log);
      failSession(this.session);
      this.keeper?.abandon();
      await this.keeper?.ended;
      await this.letGo(true);
      throw error;
    }
    const { mountpoint } = this.options;
    if (this.wasUnclean && this.resumed === null) {
      this.log.warn({ mountpoint }, "the pool was not closed last time; all of it was checked");
    }
    const lacks = kernelLacks(release()) ?? [];
    const how = this.resumed === null ? "mounted" : "goes on with the mount of a holder that was killed";
    this.log.info({ mountpoint, serverPid: this.keeper?.pid, refused: this.refused, lacks }, how);
    await this.service.tell("READY=1", `MAINPID=${process.pid}`, this.summary(this.keeper?.pid));
    this.service.answerWatchdog(() => this.keeper?.pid !== null);
    if (stoppedBy !== null) void this.takeDown(stoppedBy);
  }

  private begin(): void {
    const opened = openMount(this.options);
    this.name = opened.name;
    this.pool = opened.pool;
    this.session = opened.session;
    this.ioReason = opened.ioReason;
    this.refused = opened.refused;
  }

  /** Nothing here may ask the mount: nobody answers before there is a server. */
  private goOn(resumed: Resumed): void {
    const { record } = resumed;
    this.name = resumed.name;
    this.pool = resumed.pool;
    this.session = resumed.session;
    this.io = record.io;
    this.ioReason = record.ioReason;
    this.wasUnclean = record.wasUnclean;
    this.damage = record.damage;
    this.refused = [...new Set([...record.refused, ...prepareIoProcess().refused])];
  }

  private async openControl(keeper: ServerKeeper): Promise<void> {
    this.control = new ControlDoor(socketPath(this.options.mountpoint), {
      status: () => this.status(),
      stop: (force) => this.stop(force),
      restart: () => this.replaceServer(keeper),
    });
    if (this.resumed === null) await this.control.open();
    else await this.control.openInTime(this.log);
  }

  private fds(): SessionFds {
    return {
      memoryFd: this.memory.fd,
      nameFd: this.name.fd,
      backing: this.pool.backing,
      channelFds: this.session.channelFds,
    };
  }

  private record(): SessionRecord {
    return {
      options: this.options,
      backing: this.pool.backing,
      session: this.session,
      io: this.io,
      ioReason: this.ioReason,
      wasUnclean: this.wasUnclean,
      damage: this.damage,
      refused: this.refused,
      restarts: this.keeper?.restarts ?? 0,
    };
  }

  private summary(serverPid: number | null | undefined): string {
    return `STATUS=${this.io}, server ${serverPid ?? "(starting)"}, ${this.keeper?.restarts ?? 0} restarts`;
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
      connection: this.session.connection,
    });
  }

  /** Waits for the last server's end, which is the session's too, and clears up. @returns the exit code */
  async untilEnd(): Promise<number> {
    assert(this.keeper !== null, "a mount that was not started ends");
    const end = await this.keeper.ended;
    // Freeing a large pool may take longer than the watchdog bears with: who stops need not show signs of life.
    await this.service.tell("STOPPING=1");
    const { mountpoint } = this.options;
    const inOrder = end.closed && end.exitCode === 0;
    if (inOrder) {
      this.log.info({ mountpoint, forced: this.forced }, "unmounted");
    } else {
      this.log.error({ mountpoint, ...end }, `the server ${describeEnd(end)}; the mount ends`);
      failSession(this.session);
    }
    await this.letGo(false);
    return inOrder && !this.forced ? 0 : 1;
  }

  private keepServer(): ServerKeeper {
    const { restarts, watchdogSeconds, mountpoint } = this.options;
    const keeper = new ServerKeeper({
      launch: (isRestart, standby) => this.launch(isRestart, standby),
      whyLast: () => whyLast(this.session),
      wasServed: this.resumed !== null,
      beats: new Beats(viewSession(this.memory.bytes).beatWords),
      mostDeaths: restarts,
      hangMs: watchdogSeconds * 1000,
      log: this.log,
      mountpoint,
    });
    if (this.resumed !== null) {
      keeper.restarts = this.resumed.record.restarts + 1;
      keeper.lastDeath = "was ended with its holder";
    }
    return keeper;
  }

  private async replaceServer(keeper: ServerKeeper): Promise<number> {
    await this.service.tell("RELOADING=1");
    try {
      return await keeper.replace();
    } finally {
      await this.service.tell("READY=1");
    }
  }

  private served({ pid }: ServerProcess): void {
    if (!this.started) return;
    this.service.note(this.record());
    void this.service.tell(this.summary(pid));
  }

  private launch(isRestart: boolean, standby: boolean): ServerProcess {
    const { fds, ...facts } = inheritance(this.pool.backing, this.session.channelFds);
    const { readOnly, atomicWrites, mountpoint } = this.options;
    writeFacts(this.memory.bytes, { ...facts, isRestart, readOnly, atomicWrites, direct: this.directFacts() });
    const server = startServer(
      { sessionFd: this.memory.fd, furtherFds: fds, standby },
      {
        warning: (message) => this.log.warn({ mountpoint }, message),
        damage: (message) => {
          if (this.damage === message) return;
          this.damage = message;
          this.service.note(this.record());
          this.log.error({ mountpoint }, `the pool is damaged and the mount read-only now: ${message}`);
        },
      },
    );
    server.ready.then(
      () => this.served(server),
      () => {},
    );
    return server;
  }

  /** What is open the one way cannot go on the other. */
  private directFacts(): DirectFacts | null {
    const { passthrough } = this.session;
    if (passthrough === null || "reason" in passthrough) return null;
    if (this.io === "served") return null;
    return { backingId: passthrough.backingId, only: this.options.io === "direct" };
  }

  private async untilReady(keeper: ServerKeeper): Promise<void> {
    try {
      const { refused, io, ioReason, wasUnclean } = await keeper.ready;
      if (this.resumed === null) this.wasUnclean = wasUnclean;
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
    // Unmounted by somebody else, as at a shutdown: the server is closing the pool, and may take its time.
    if (isSessionOver(this.session.channelFds[0])) return this.endWithinDeadline(false);
    // By force the connection goes first: unmounting may wait for a server that hangs.
    if (force) {
      this.forced = true;
      abortSession(this.session);
    } else {
      unmountSession(this.session, this.options.mountpoint);
    }
    this.endWithinDeadline(force);
  }

  /** The server closes the pool by itself when the session is over; a hung one is not waited for. */
  private endWithinDeadline(force: boolean): void {
    void this.service.tell("STOPPING=1");
    const deadlineMs = closeDeadlineMs(this.pool.backing.durable, force);
    setTimeout(() => {
      const { mountpoint } = this.options;
      this.log.error({ mountpoint }, "the server did not close the pool in time and is killed");
      this.keeper?.abandon();
    }, deadlineMs).unref();
  }

  /** A signal during the start undoes the start; later it takes the disk down. */
  private listenForSignals(): void {
    this.signals.listen((signal) => {
      if (this.started) void this.takeDown(signal);
      // What others use is taken down in order, once it can be.
      else if (this.resumed === null) this.keeper?.abandon();
    });
    process.on("uncaughtException", (error) => {
      const { mountpoint } = this.options;
      this.log.error({ mountpoint, error: error.stack }, "a bug in the holder");
      // The next holder goes on; whoever crashes again and again is given up by the service manager.
      if ((this.started || this.resumed !== null) && this.service.isManaged) process.kill(process.pid, "SIGKILL");
      if (this.started) failSession(this.session);
      this.keeper?.abandon();
    });
  }

  private refuseIfStopped(): void {
    const { first } = this.signals;
    if (first === null || this.resumed !== null) return;
    throw new UserError(`mount ${this.options.mountpoint}`, `stopped by ${first}`, { code: "EINTR" });
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
  private async letGo(failed: boolean): Promise<void> {
    this.control?.close();
    await this.service.drop();
    closeSession(this.session);
    closePool(this.pool, failed);
    // What somebody else aborted is still there, and answers nobody.
    if (await removeDeadMount(this.session.directory)) removeRecord(this.options.mountpoint);
    giveName(this.name, this.options);
  }
}
