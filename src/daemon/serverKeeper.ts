/**
 * Keeps a server running as long as the session lives: when one dies the next
 * goes on where it stopped, because all that it needs is in the holder's fds.
 * A server that hangs is killed. One that dies again and again is given up.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../base/errors.js";
import type { Log } from "../base/ports.js";
import type { Beats } from "./beats.js";
import { HangWatch } from "./hangWatch.js";
import {
  describeEnd,
  endError,
  type ServerEnd,
  type ServerProcess,
  type ServerReady,
  waiting,
} from "./serverProcess.js";

/** Deaths are counted within so long. */
const WINDOW_MS = 60_000;
/** What a server that is replaced may take to finish what it has begun. */
const DRAIN_MS = 5_000;
const DRAIN_POLL_MS = 2;
/** A spare comes up when the mount has been there for a moment, and not while mkfs and mount want the CPUs. */
const SPARE_DELAY_MS = 1_000;

export interface KeeperParts {
  /** Starts a server. @param isRestart another one served the session before */
  launch(isRestart: boolean, standby: boolean): ServerProcess;
  /** For people: why a dead server can have no successor; null when it can. */
  whyLast(): string | null;
  readonly beats: Beats;
  /** Deaths within a minute after which no further server is started. */
  readonly mostDeaths: number;
  /** After so long a server hangs; 0: it is not watched. */
  readonly hangMs: number;
  readonly log: Log;
  /** For the log. */
  readonly mountpoint: string;
}

export class ServerKeeper {
  /** Servers that took over from another. */
  restarts = 0;
  /** For people: why the last server before this one is gone. */
  lastDeath: string | null = null;
  /** Resolves when the first server serves. Rejects when none ever did, with the words of the last. */
  readonly ready: Promise<ServerReady>;
  /** Resolves when there is no server any more, and will be none: with the end of the last. */
  readonly ended: Promise<ServerEnd>;

  private server: ServerProcess;
  private readonly firstReady = waiting<ServerReady>();
  private isServing = false;
  private successor: ServerProcess | null = null;
  private keepsSpare = false;
  private isReplacing = false;
  private isAbandoned = false;
  private hang: string | null = null;
  private readonly deathsMs: number[] = [];

  constructor(private readonly parts: KeeperParts) {
    this.server = parts.launch(false, false);
    this.ready = this.firstReady.promise;
    this.ended = this.keep();
  }

  /** Null while there is none that serves. */
  get pid(): number | null {
    return this.isServing ? this.server.pid : null;
  }

  /** Kills the server, and no other one follows. */
  abandon(): void {
    this.isAbandoned = true;
    this.successor?.kill("SIGKILL");
    this.server.kill("SIGKILL");
  }

  /**
   * Replaces the server by one of the version that is installed now. What it has begun it may finish.
   * @returns how long nobody served, ms
   * @throws UserError when the new one refuses; the old one serves on then
   */
  async replace(): Promise<number> {
    const { beats, whyLast } = this.parts;
    const why = whyLast();
    if (why !== null) throw new UserError("restart", why, { code: "EOPNOTSUPP" });
    if (this.isReplacing || !this.isServing) {
      throw new UserError("restart", "a server is just starting", { code: "EBUSY", cure: "try again" });
    }
    const old = this.server;
    this.isReplacing = true;
    // What stands by may be of the version before.
    this.successor?.kill("SIGKILL");
    const next = this.parts.launch(true, true);
    this.successor = next;
    try {
      await next.standsBy;
    } catch (error) {
      this.isReplacing = false;
      this.forget(next);
      throw error;
    }
    beats.drain();
    const deadlineMs = Date.now() + DRAIN_MS;
    while (!beats.isQuiet && Date.now() < deadlineMs && this.server === old) await sleep(DRAIN_POLL_MS);
    const beganMs = performance.now();
    if (this.server === old) old.kill("SIGKILL");
    await next.ready;
    return performance.now() - beganMs;
  }

  private async keep(): Promise<ServerEnd> {
    for (;;) {
      const stopWatching = this.watch(this.server);
      const end = await this.server.ended;
      stopWatching();
      this.isServing = false;
      const last = this.isLast(end);
      if (last !== null) {
        this.isAbandoned = true;
        this.successor?.kill("SIGKILL");
        await this.successor?.ended;
        this.firstReady.reject(endError(last));
        return last;
      }
      this.takeOver(end);
    }
  }

  /** @returns the end to tell when there will be no other server, or null */
  private isLast(end: ServerEnd): ServerEnd | null {
    if (this.isAbandoned || (end.closed && end.exitCode === 0)) return end;
    if (this.isReplacing) return null;
    if (end.refused) return end;
    const { deathsMs, parts } = this;
    const nowMs = performance.now();
    deathsMs.push(nowMs);
    while (deathsMs.length > 0 && deathsMs[0] < nowMs - WINDOW_MS) deathsMs.shift();
    const why = deathsMs.length > parts.mostDeaths ? `the ${deathsMs.length}. time within a minute` : parts.whyLast();
    return why === null ? null : { ...end, message: [end.message, why].filter((part) => part !== null).join("; ") };
  }

  private takeOver(end: ServerEnd): void {
    const { log, mountpoint } = this.parts;
    const { successor } = this;
    const beganMs = performance.now();
    this.lastDeath = this.isReplacing ? "was replaced" : (this.hang ?? describeEnd(end));
    const dead = { mountpoint, serverPid: this.server.pid };
    if (!this.isReplacing) log.warn(dead, `the server ${this.lastDeath}; the next one goes on`);
    this.hang = null;
    this.successor = null;
    this.isReplacing = false;
    this.restarts++;
    this.parts.beats.clear();
    const next = successor ?? this.parts.launch(true, false);
    this.server = next;
    next.go();
    next.ready.then(
      () => {
        const pauseMs = Math.round(performance.now() - beganMs);
        log.info({ mountpoint, serverPid: next.pid, pauseMs, restarts: this.restarts }, "the next server serves");
      },
      () => {},
    );
  }

  /** From now on another server stands by, so that one that dies is followed at once. */
  keepSpare(delayMs = SPARE_DELAY_MS): void {
    setTimeout(() => {
      this.keepsSpare = true;
      if (this.isServing) this.startSpare();
    }, delayMs).unref();
  }

  private startSpare(): void {
    if (this.successor !== null || this.isAbandoned) return;
    const spare = this.parts.launch(true, true);
    this.successor = spare;
    // One that died is not started again before it is needed.
    spare.ended.then(() => this.forget(spare));
  }

  private forget(server: ServerProcess): void {
    if (this.successor === server) this.successor = null;
  }

  /** Notes when `server` serves, and kills it when it hangs. @returns how to stop */
  private watch(server: ServerProcess): () => void {
    const { hangMs, beats, log, mountpoint } = this.parts;
    server.ready.then(
      (ready) => {
        if (this.server === server) this.isServing = true;
        this.firstReady.resolve(ready);
        if (this.keepsSpare && this.server === server) this.startSpare();
      },
      () => {},
    );
    if (hangMs === 0) return () => {};
    const watch = new HangWatch(server.pid, beats, hangMs);
    const timer = setInterval(() => {
      const hang = watch.look(performance.now());
      if (hang === null) return;
      this.hang = `hung and was killed: ${hang}`;
      log.error({ mountpoint, serverPid: server.pid }, `the server ${this.hang}`);
      server.kill("SIGKILL");
    }, hangMs / 8);
    return () => clearInterval(timer);
  }
}
