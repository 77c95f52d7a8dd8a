/**
 * Ends a mount, for a command or a signal to the holder. Unless forced, nothing changes
 * while the session has users that the end would harm.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../../base/errors.js";
import type { Log } from "../../base/ports.js";
import { clearDiskByForce } from "../../disk/clearDisk.js";
import { coverClauses, otherPlaces, readPlaces } from "../../disk/inUse.js";
import { busy } from "../../disk/users.js";
import { ProcessProgress } from "../../linux/proc/threads.js";
import type { ProgressBytes } from "../../linux/process/blockingLimit.js";
import { closeDeadlineMs } from "../../mounts/deadlines.js";
import { quote } from "../../mounts/paths.js";
import { abortSession, deviceNow, deviceOf, directoryNow, isOver, type Session, unmountSession } from "./session.js";

const WATCH_MS = 1_000;
/** The time the kernel gets to end a session whose last mount is gone. */
const OVER_MS = 2_000;
const OVER_POLL_MS = 10;
/** A service manager that waits for the end is tried again for. */
const RETRY_MS = 1_000;

export interface EndParts {
  readonly mountpoint: string;
  readonly log: Log;
  session(): Session;
  isDurable(): boolean;
  /** null while there is no server. */
  serverPid(): number | null;
  /** Changes while a server answers requests. */
  readonly progress?: ProgressBytes;
  /** Kills the server; no other one follows. */
  abandon(): void;
  /** As `MountEnd.stop`, or lets a disk go that was given up. */
  stop(force: boolean): Promise<void>;
  /** Nothing puts it off any more. */
  settled(): void;
  /** The service manager waits for the end, and kills the holder after a time limit. */
  readonly isAwaited: boolean;
}

/** The session goes on without a mount that we see: to end it by force would lose what its users write. */
class LivesOn extends UserError {}

export class MountEnd {
  /** A user was forced off. */
  forced = false;
  /** It was asked for, or is our own bug's, and is not put off. */
  isBegun = false;
  private timer: NodeJS.Timeout | undefined;
  /** What is watched now is an end by force. */
  private isForced = false;

  constructor(private readonly parts: EndParts) {}

  /** Begins the end. @throws UserError when somebody uses the mount, and `force` is false; nothing was changed then */
  async stop(force: boolean): Promise<void> {
    const { parts } = this;
    const session = parts.session();
    // Unmounted by somebody else, as at a shutdown: the server is closing the pool, and may take its time.
    if (isOver(session)) return this.settle(false);
    this.refuse(session, force);
    // By force the connection goes first: unmounting may wait for a server that hangs.
    if (force) {
      this.forced = true;
      abortSession(session);
      return this.settle(true);
    }
    unmountSession(session, parts.mountpoint);
    this.isBegun = true;
    // Also for one that is put off: nothing is killed while somebody still has the session.
    this.watch(false);
    await this.requireOver(session).catch((error: unknown) => {
      this.isBegun = false;
      throw error;
    });
    this.settle(false);
  }

  private settle(force: boolean): void {
    this.isBegun = true;
    this.parts.settled();
    this.watch(force);
  }

  /** Nobody is watched any more. */
  close(): void {
    clearInterval(this.timer);
  }

  /** @throws UserError naming who else has the session; by force only what is mounted over it counts */
  private refuse(session: Session, force: boolean): void {
    const device = deviceOf(session);
    if (device === null) return;
    const places = readPlaces(device, directoryNow(session));
    const clauses = force ? coverClauses(places) : otherPlaces(places);
    if (clauses.length === 0) return;
    const { mountpoint } = this.parts;
    const cure = force ? "unmount it first" : `stop these, or kmemfs unmount --force ${quote(mountpoint)}`;
    throw busy(`unmount ${mountpoint}`, clauses, cure);
  }

  /** @throws LivesOn while somebody has it where we do not see */
  private async requireOver(session: Session): Promise<void> {
    for (let waitedMs = 0; !isOver(session); waitedMs += OVER_POLL_MS) {
      if (waitedMs >= OVER_MS) {
        const { mountpoint } = this.parts;
        throw new LivesOn(
          `unmount ${mountpoint}`,
          "it is unmounted, but something that cannot be found still uses it",
          {
            code: "EBUSY",
            cure: `kmemfs unmount --force ${quote(mountpoint)}`,
          },
        );
      }
      await sleep(OVER_POLL_MS);
    }
  }

  /**
   * The server closes the pool by itself when the session is over. It is killed when it does
   * nothing for so long; never for a session that somebody still has.
   */
  private watch(force: boolean): void {
    const { parts } = this;
    const deadlineMs = closeDeadlineMs(parts.isDurable(), force);
    const pid = parts.serverPid();
    const progress = pid === null ? null : new ProcessProgress(pid);
    let quietMs = 0;
    // An end by force is not put off by one in order that was begun before it.
    if (!force && this.isForced) return;
    this.isForced = force;
    clearInterval(this.timer);
    this.timer = setInterval(() => {
      const moves = progress?.hasMoved() ?? false;
      const isWaited = !force && (moves || !isOver(parts.session()));
      quietMs = isWaited ? 0 : quietMs + WATCH_MS;
      if (quietMs < deadlineMs) return;
      clearInterval(this.timer);
      const { mountpoint } = parts;
      parts.log.error({ mountpoint }, "the server did not close the pool in time; killing it");
      parts.abandon();
    }, WATCH_MS).unref();
  }

  /**
   * File systems, loop devices, the mount; by force where somebody will not let go.
   * @returns false when it was refused, as that would end what is not ours; nothing was changed then
   */
  async takeDown(signal: string): Promise<boolean> {
    const { mountpoint, log, isAwaited } = this.parts;
    log.info({ mountpoint, signal }, "stopping");
    this.isBegun = true;
    for (let hasSaid = false; ; hasSaid = true) {
      const refused = await this.tryTakeDown();
      if (refused.length === 0) return true;
      this.isBegun = false;
      if (!hasSaid)
        log.error({ mountpoint, refused }, "not stopped: it is in use, and stopping it would harm its users");
      if (!isAwaited) return false;
      await sleep(RETRY_MS);
    }
  }

  /** @returns why it was refused; one clause each */
  private async tryTakeDown(): Promise<readonly string[]> {
    const { mountpoint, log } = this.parts;
    const session = this.parts.session();
    const device = deviceNow(session);
    try {
      if (device !== null) {
        const place = { mountpoint, device, fuseDirectory: directoryNow(session) };
        const { refused, forced } = await clearDiskByForce(place, !isOver(session), this.parts.progress);
        if (refused.length > 0) return refused;
        for (const line of forced) log.warn({ mountpoint }, line);
        this.forced ||= forced.length > 0;
      }
      await this.parts.stop(false);
    } catch (error) {
      if (error instanceof LivesOn) return [error.reason];
      log.error({ mountpoint, error: String(error) }, "stopping it by force");
      return this.tryForce();
    }
    return [];
  }

  /** @returns as `tryTakeDown` */
  private async tryForce(): Promise<readonly string[]> {
    try {
      await this.parts.stop(true);
      return [];
    } catch (error) {
      // Something was mounted over it just now.
      if (error instanceof UserError) return [error.reason];
      throw error;
    }
  }
}
