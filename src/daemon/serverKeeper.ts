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

/** What a server may take until it stands by. */
const STANDBY_MS = 60_000;

/** Whatever kills servers as they start may pass; the first has no need to wait. */
function backoffMs(deaths: number): number {
  return Math.min(3_000, 100 * 2 ** (deaths - 1));
}

/** @throws UserError when it takes longer */
async function within<T>(limitMs: number, promise: Promise<T>): Promise<T> {
  const late = Symbol();
  const timeout = new AbortController();
  const first = await Promise.race([
    promise,
    sleep(limitMs, late, { signal: timeout.signal, ref: false }).catch(() => late),
  ]).finally(() => timeout.abort());
  if (first !== late) return first as T;
  throw new UserError("restart", `the new server did not come up within ${limitMs / 1000} s`, { code: "ETIMEDOUT" });
}

export interface KeeperParts {
  /** Starts a server. @param isRestart another one has served the session before */
  launch(isRestart: boolean, standby: boolean): ServerProcess;
  /** For people: why a dead server can have no successor; null when it can. */
  whyLast(): string | null;
  readonly beats: Beats;
  /** The session goes on: servers of a holder before us served it, and the first of ours is their successor. */
  readonly wasServed: boolean;
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
  /** The server is killed to be replaced. */
  private isReplaced = false;
  private hasServed = false;
  /** Servers that died one after the other before they served. */
  private deathsInStart = 0;
  private isAbandoned = false;
  private hang: string | null = null;
  private readonly deathsMs: number[] = [];

  constructor(private readonly parts: KeeperParts) {
    // A holder that was killed may have left what it told its server, and what that was at.
    parts.beats.clear();
    this.hasServed = parts.wasServed;
    this.server = parts.launch(this.hasServed, false);
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
    const next = this.launchSuccessor();
    try {
      await within(STANDBY_MS, next.standsBy);
    } catch (error) {
      next.kill("SIGKILL");
      this.isReplacing = false;
      this.forget(next);
      if (this.keepsSpare && this.isServing) this.startSpare();
      throw error;
    }
    // Only the old one: by now it may be dead, and the next one at work.
    if (this.server === old) beats.drain();
    const deadlineMs = Date.now() + DRAIN_MS;
    while (!beats.isQuiet && Date.now() < deadlineMs && this.server === old) await sleep(DRAIN_POLL_MS);
    const beganMs = performance.now();
    if (this.server === old) {
      this.isReplaced = true;
      old.kill("SIGKILL");
    }
    await next.ready.finally(() => {
      this.isReplacing = false;
    });
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
      await this.takeOver(end);
    }
  }

  /** @returns the end to tell when there will be no other server, or null */
  private isLast(end: ServerEnd): ServerEnd | null {
    if (this.isAbandoned || end.unclosed || (end.closed && end.exitCode === 0)) return end;
    if (this.isReplaced) return null;
    // Later the pool was served already, and what it is refused for may pass.
    if (end.refused && !this.hasServed) return end;
    const { deathsMs, parts } = this;
    const nowMs = performance.now();
    deathsMs.push(nowMs);
    while (deathsMs.length > 0 && deathsMs[0] < nowMs - WINDOW_MS) deathsMs.shift();
    const why = deathsMs.length > parts.mostDeaths ? `the ${deathsMs.length}. time within a minute` : parts.whyLast();
    return why === null ? null : { ...end, message: [end.message, why].filter((part) => part !== null).join("; ") };
  }

  private async takeOver(end: ServerEnd): Promise<void> {
    const { log, mountpoint, beats } = this.parts;
    const beganMs = performance.now();
    const dead = { mountpoint, serverPid: this.server.pid };
    this.lastDeath = this.isReplaced ? "was replaced" : (this.hang ?? describeEnd(end));
    if (!this.isReplaced) log.warn(dead, `the server ${this.lastDeath}; the next one goes on`);
    this.hang = null;
    this.isReplaced = false;
    this.restarts++;
    if (this.successor === null && this.deathsInStart > 0) await sleep(backoffMs(this.deathsInStart));
    const next = this.successor ?? this.parts.launch(this.hasServed, false);
    this.successor = null;
    this.deathsInStart++;
    beats.clear();
    this.server = next;
    if (this.isAbandoned) next.kill("SIGKILL");
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
    this.launchSuccessor();
  }

  private launchSuccessor(): ServerProcess {
    const next = this.parts.launch(true, true);
    this.successor = next;
    // A spare that died is not started again before it is needed.
    next.ended.then(() => this.forget(next));
    return next;
  }

  private forget(server: ServerProcess): void {
    if (this.successor === server) this.successor = null;
  }

  /** Notes when `server` serves, and kills it when it hangs. @returns how to stop */
  private watch(server: ServerProcess): () => void {
    const { hangMs, beats, log, mountpoint } = this.parts;
    server.ready.then(
      (ready) => {
        if (this.server !== server) return;
        this.isServing = true;
        this.hasServed = true;
        this.deathsInStart = 0;
        this.firstReady.resolve(ready);
        if (this.keepsSpare) this.startSpare();
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
      clearInterval(timer);
    }, hangMs / 8);
    return () => clearInterval(timer);
  }
}
