/**
 * The holder: keeps the pool and the session open, starts the server, answers
 * `status` and ends everything in order. It never accesses its own mount.
 */
import { release } from "node:os";
import { assert } from "../../base/assert.js";
import { UserError } from "../../base/errors.js";
import type { Log } from "../../base/ports.js";
import { kernelLacks } from "../../linux/proc/kernelLacks.js";
import { NO_SERVICE } from "../../linux/process/notify.js";
import { removeMountRecord } from "../../mounts/mountRecord.js";
import type { AskedOptions, MountOptions } from "../../mounts/options.js";
import { quote } from "../../mounts/paths.js";
import { diskPaths } from "../../mounts/stateDirectory.js";
import type { MountStatus } from "../../mounts/status.js";
import { missingProgram } from "../session/program.js";
import { progressIn, viewSession } from "../session/sessionMemory.js";
import { ControlDoor } from "./controlDoor.js";
import { DiskSight } from "./diskSight.js";
import { EndSignals } from "./endSignals.js";
import { HeldDisk, letShrink } from "./heldDisk.js";
import { MountEnd } from "./mountEnd.js";
import { leaveToNext, mayPass } from "./nextHolder.js";
import { beginMount, closeOpenedPool, giveName, type Mount } from "./openMount.js";
import { resumeMount } from "./resume.js";
import type { ServerKeeper } from "./serverKeeper.js";
import { describeEnd, type ServerEnd, startServer } from "./serverProcess.js";
import { Service } from "./service.js";
import type { ServerSource } from "./serving.js";
import { closeSession, deviceOf, failSession, removeDeadMounts, type Session, whyLast } from "./session.js";

/**
 * Runs a mount from its beginning to its end.
 * @param ready told when the mount is ready for use
 * @param environment what a service manager started us with
 * @returns the exit code: 0 when it ended in order
 * @throws UserError when it cannot begin; nothing is left behind then
 */
export async function runHolder(
  asked: AskedOptions,
  log: Log,
  ready: (status: MountStatus) => void,
  environment = NO_SERVICE,
): Promise<number> {
  const signals = new EndSignals();
  const service = new Service(environment, log);
  const resumed = service.storedFds.size === 0 ? null : await resumeMount(service, log, asked);
  const holder = new Holder(resumed ?? beginMount(asked(false)), log, service, signals);
  await holder.start();
  ready(await holder.disk.status());
  return holder.untilEnd();
}

/** Keeps one mount from its start to its end. */
export class Holder {
  readonly disk: HeldDisk;
  private control: ControlDoor | null = null;
  private readonly options: MountOptions;
  private readonly end: MountEnd;
  private readonly sight: DiskSight;
  /** Settles when a signal's take-down of the disk has ended. */
  private takingDown: Promise<void> | null = null;

  constructor(
    private readonly mount: Mount,
    private readonly log: Log,
    private readonly service: Service,
    private readonly signals: EndSignals,
    source: ServerSource = { start: startServer, missingProgram },
  ) {
    const { options, name, memory, pool } = mount;
    this.options = options;
    this.disk = new HeldDisk({ options, name, memory, pool, log, service, source }, mount);
    this.sight = new DiskSight(options);
    this.end = new MountEnd({
      mountpoint: options.mountpoint,
      log,
      isAwaited: service.isManaged,
      session: () => this.session,
      isDurable: () => pool.backing.durable,
      serverPid: () => this.keeper?.pid ?? null,
      progress: progressIn(memory.fd),
      abandon: () => this.keeper?.abandon(),
      stop: (force) => this.stop(force),
      // Not before: it cannot be taken back, and the service manager kills who takes too long then.
      settled: () => void service.tell("STOPPING=1"),
    });
  }

  private get session(): Session {
    return this.disk.serving.session;
  }

  /** Null before the first server was started. */
  private get keeper(): ServerKeeper | null {
    return this.disk.serving.keeper;
  }

  /** The mount is in use: it must not be undone like one that is just starting. */
  private get isInUse(): boolean {
    return this.disk.isReady || this.mount.isInUse;
  }

  /** @throws UserError; what was begun is undone */
  async start(): Promise<void> {
    this.listenForSignals();
    let stoppedBy: string | null = null;
    try {
      await this.mount.store(this.service, this.disk.fds(), this.disk.record());
      if (this.disk.givenUp === null) await this.beginServing();
      else await this.service.dropChannels();
      await this.openControl();
      this.sight.note(await this.disk.look());
      this.sight.watch(() => this.disk.look());
      this.refuseIfStopped();
      this.disk.isReady = true;
      // For an earlier signal; a later one sees that the mount has started.
      stoppedBy = this.signals.first;
      // A spare is useless if no server can take over.
      if (this.options.spare && this.disk.givenUp === null && whyLast(this.session) === null) this.keeper?.keepSpare();
    } catch (error) {
      if (this.mount.isInUse && this.service.isManaged && mayPass(error)) await leaveToNext(error, this.log);
      failSession(this.session);
      this.keeper?.abandon();
      await this.keeper?.ended;
      await this.letGo(true);
      throw error;
    }
    const { mountpoint } = this.options;
    const { wasUnclean, refused } = this.disk.serving.facts;
    if (wasUnclean && !this.mount.isInUse) {
      this.log.warn({ mountpoint }, "the pool was not closed cleanly; all of it was checked");
    }
    const lacks = kernelLacks(release()) ?? [];
    const goesOn = this.disk.givenUp === null ? "took over the mount" : "took over the pool";
    const how = this.mount.isInUse ? `${goesOn} of a holder that was killed` : "mounted";
    this.log.info({ mountpoint, serverPid: this.keeper?.pid, refused, lacks }, how);
    await this.service.tell("READY=1", `MAINPID=${process.pid}`, this.disk.summary(this.keeper?.pid ?? null));
    this.service.answerWatchdog(() => (this.keeper?.pid ?? null) !== null || this.disk.isIdle);
    if (stoppedBy !== null) this.takingDown = this.takeDown(stoppedBy);
  }

  private async beginServing(): Promise<void> {
    await this.disk.serving.begin(this.mount.isInUse).catch((error: unknown) => {
      this.refuseIfStopped();
      throw error;
    });
    this.disk.note();
  }

  private async openControl(): Promise<void> {
    this.control = new ControlDoor(diskPaths(this.options.mountpoint).socket, {
      status: async () => this.sight.note(await this.disk.look()),
      stop: (force) => this.stop(force),
      restart: () => this.replaceServer(),
      bringBack: () => this.disk.bringBack(),
      allowShrink: (sizeBytes) => letShrink(viewSession(this.mount.memory.bytes).persistentWords, sizeBytes),
    });
    if (this.mount.isInUse) await this.control.openInTime(this.log);
    else await this.control.open();
  }

  /** Waits for the end of the last server, or of what is kept without one, and clears up. @returns the exit code */
  async untilEnd(): Promise<number> {
    const { disk } = this;
    for (;;) {
      let { givenUp } = disk;
      if (givenUp === null) {
        assert(this.keeper !== null, "a mount that was not started ends");
        const end = await this.keeper.ended;
        if (this.end.isBegun || !disk.wouldLose(end)) return this.endAll(end);
        givenUp = await disk.giveUp(end);
      }
      if ((await givenUp.over) === "let go") return this.endAll(null);
    }
  }

  /** @param end of the last server; null if it ended long ago */
  private async endAll(end: ServerEnd | null): Promise<number> {
    // Freeing a large pool may take longer than the watchdog bears with: who stops need not show signs of life.
    await this.service.tell("STOPPING=1");
    const { mountpoint } = this.options;
    const inOrder = end === null || (end.closed && end.exitCode === 0);
    if (inOrder) {
      const how = end === null ? "the pool that was kept is discarded" : "unmounted";
      this.log.info({ mountpoint, forced: this.end.forced }, how);
    } else {
      this.log.error({ mountpoint, ...end }, `the server ${describeEnd(end)}; the mount ends`);
      failSession(this.session);
    }
    // Waiting callers get errors, and the holder keeps running.
    await this.takingDown?.catch((error: unknown) => this.log.error({ mountpoint, error: String(error) }, "stopping"));
    await this.letGo(false);
    return inOrder && !this.end.forced ? 0 : 1;
  }

  private async replaceServer(): Promise<number> {
    const { keeper } = this;
    if (keeper === null || this.disk.givenUp !== null) {
      const cure = `kmemfs recover --up ${quote(this.options.mountpoint)}`;
      throw new UserError("restart", "it was given up", { code: "ENOTCONN", cure });
    }
    await this.service.tell("RELOADING=1");
    try {
      return await keeper.replace();
    } finally {
      await this.service.tell("READY=1");
    }
  }

  /** @throws UserError when the mount is busy and not forced */
  private async stop(force: boolean): Promise<void> {
    const { givenUp } = this.disk;
    if (givenUp !== null) {
      // Who brings it back just now is not waited for by those who insist.
      if (force || this.signals.first !== null) this.keeper?.abandon();
      if (await givenUp.letGo(() => this.disk.givenUp !== givenUp)) return;
    }
    await this.end.stop(force);
  }

  /** A signal during the start undoes the start; later it takes the disk down. */
  private listenForSignals(): void {
    this.signals.listen((signal) => {
      if (this.disk.isReady) this.takingDown = this.takeDown(signal);
      // What others use is taken down in order, once it can be.
      else if (!this.mount.isInUse) this.keeper?.abandon();
    });
    process.on("uncaughtException", (error) => {
      const { mountpoint } = this.options;
      this.log.error({ mountpoint, error: error.stack }, "internal error in the holder");
      // The next holder takes over; after repeated crashes the service manager stops starting them.
      if (this.isInUse && this.service.isManaged) process.kill(process.pid, "SIGKILL");
      // A pool that nobody uses is best kept as it is.
      if (this.disk.isReady && this.disk.givenUp !== null) return;
      this.end.isBegun = true;
      if (this.disk.isReady) failSession(this.session);
      this.keeper?.abandon();
    });
  }

  private refuseIfStopped(): void {
    const { first } = this.signals;
    if (first === null || this.mount.isInUse) return;
    throw new UserError(`mount ${this.options.mountpoint}`, `stopped by ${first}`, { code: "EINTR" });
  }

  /** Takes down file systems, loop devices and the mount; by force where they stay in use. */
  private async takeDown(signal: string): Promise<void> {
    // Nothing on it can be unmounted in order while nobody serves, nor may ever.
    if (this.disk.waitsForProgram) {
      this.end.forced = true;
      failSession(this.session);
    }
    if (!(await this.end.takeDown(signal))) this.signals.rearm();
  }

  /** Releases the name last: until then no other holder can mount here. */
  private async letGo(failed: boolean): Promise<void> {
    this.control?.close();
    this.sight.close();
    this.end.close();
    await this.service.drop();
    this.disk.isLetGo = true;
    closeSession(this.session);
    closeOpenedPool(this.mount.pool, failed);
    // What somebody else aborted is still there, and answers nobody.
    if (await removeDeadMounts(this.session.directory, deviceOf(this.session)))
      removeMountRecord(this.options.mountpoint);
    giveName(this.disk.parts.name, this.options);
  }
}
