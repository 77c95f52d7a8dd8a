/**
 * Keeps a server running as long as the session lives: when one dies the next
 * goes on where it stopped, because all that it needs is in the holder's fds.
 * A server that hangs is killed. One that dies again and again is given up.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../../base/errors.js";
import type { Log } from "../../base/ports.js";
import type { Heartbeats } from "../session/heartbeats.js";
import type { ServerReady } from "../session/serverProtocol.js";
import { HangWatch } from "./hangWatch.js";
import { describeEnd, endError, type ServerEnd, type ServerProcess, waiting } from "./serverProcess.js";

/** Deaths are counted within so long. */
const WINDOW_MS = 60_000;
/** What a server that is replaced may take to finish what it has begun. */
const DRAIN_MS = 5_000;
const DRAIN_POLL_MS = 2;
/** A spare comes up when the mount has been there for a moment, and not while mkfs and mount want the CPUs. */
const SPARE_DELAY_MS = 1_000;

/** What a server may take until it stands by. */
const STANDBY_MS = 60_000;
/** How often it is looked whether a program that is gone is back: a few calls of stat(2). */
const PROGRAM_POLL_MS = 500;
/** The same for a spare, which nobody waits for. */
const SPARE_RETRY_MS = 5_000;

/** Whatever kills servers as they start may pass; the first has no need to wait. */
export function backoffMs(deaths: number): number {
  return Math.min(3_000, 100 * 2 ** (deaths - 1));
}

/** For people. */
function describeDeaths(count: number): string {
  return `${count} ${count === 1 ? "death" : "deaths"} within a minute`;
}

function withReason(end: ServerEnd, why: string): ServerEnd {
  const { message, refusal } = end;
  const withWhy = (words: string | null): string => [...new Set([words, why])].filter(Boolean).join("; ");
  const refused = refusal && new UserError(refusal.what, withWhy(refusal.reason), refusal.options);
  return { ...end, message: withWhy(message), refusal: refused };
}

/** @throws UserError when it takes longer */
async function within<T>(limitMs: number, promise: Promise<T>): Promise<T> {
  const late = waiting<T>();
  const error = new UserError("restart", `the new server did not start within ${limitMs / 1000} s`, {
    code: "ETIMEDOUT",
  });
  const timer = setTimeout(() => late.reject(error), limitMs).unref();
  return Promise.race([promise, late.promise]).finally(() => clearTimeout(timer));
}

export interface KeeperParts {
  /** Starts a server. @param isRestart another one has served the session before */
  launch(isRestart: boolean, standby: boolean): ServerProcess;
  /** For people: why a dead server can have no successor; null when it can. */
  whyLast(): string | null;
  /** For people: why no server can be started now, which may pass; null when one can. */
  missingProgram(): string | null;
  /** Nobody waits for another server: the session is over. */
  isOver(): boolean;
  readonly beats: Heartbeats;
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
  /** For people: why nothing can be started, while callers wait for that; null when they need not. */
  waitsFor: string | null = null;
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
  /** When the last server died that had served. */
  private unservedMs = 0;
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

  /** Of all servers that are there: the one that serves, or starts, and the spare. */
  get pids(): number[] {
    return [this.server, this.successor].flatMap((server) => (server === null ? [] : [server.pid]));
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
    // Before anything is given up for a server that cannot come.
    const gone = this.waitsFor ?? this.parts.missingProgram();
    if (gone !== null) throw new UserError("restart", gone, { code: "ENOENT", cure: "reinstall kmemfs there" });
    if (this.isReplacing || !this.isServing) {
      throw new UserError("restart", "a server is already starting", { code: "EBUSY", cure: "try again" });
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
      if (this.isServing) this.unservedMs = performance.now();
      this.isServing = false;
      const last = this.isLast(end) ?? (await this.takeOver(end));
      if (last !== null) {
        this.isAbandoned = true;
        this.successor?.kill("SIGKILL");
        await this.successor?.ended;
        this.firstReady.reject(endError(last));
        return last;
      }
    }
  }

  /** @returns the end to tell when there will be no other server, or null */
  private isLast(end: ServerEnd): ServerEnd | null {
    if (this.isAbandoned || end.unclosed || (end.closed && end.exitCode === 0)) return end;
    if (this.isReplaced) return null;
    // Later the pool was served already, and what it is refused for may pass.
    if (end.refusal !== null && !this.hasServed) return end;
    const { deathsMs, parts } = this;
    // No server died of itself; where it was served there will be one as soon as it can be started.
    if (end.unloaded) return this.hasServed && !parts.isOver() ? null : end;
    const nowMs = performance.now();
    deathsMs.push(nowMs);
    while (deathsMs.length > 0 && deathsMs[0] < nowMs - WINDOW_MS) deathsMs.shift();
    const why = deathsMs.length > parts.mostDeaths ? describeDeaths(deathsMs.length) : parts.whyLast();
    return why === null ? null : withReason(end, why);
  }

  /** @returns null when there is another server now, or the end to tell when nobody waits for one any more */
  private async takeOver(end: ServerEnd): Promise<ServerEnd | null> {
    const { log, mountpoint, beats } = this.parts;
    if (end.unloaded) this.wait(end.message ?? describeEnd(end));
    else this.noteDeath(end);
    if (this.successor === null) {
      if (this.deathsInStart > 0) await sleep(backoffMs(this.deathsInStart));
      if (!(await this.untilProgram())) return withReason(end, this.waitsFor ?? "");
    }
    const next = this.successor ?? this.parts.launch(this.hasServed, false);
    this.successor = null;
    this.deathsInStart++;
    beats.clear();
    this.server = next;
    if (this.isAbandoned) next.kill("SIGKILL");
    next.go();
    const beganMs = this.unservedMs;
    next.ready.then(
      () => {
        const pauseMs = Math.round(performance.now() - beganMs);
        log.info(
          { mountpoint, serverPid: next.pid, pauseMs, restarts: this.restarts },
          "the next server has taken over",
        );
      },
      () => {},
    );
    return null;
  }

  private noteDeath(end: ServerEnd): void {
    const { log, mountpoint } = this.parts;
    this.lastDeath = this.isReplaced ? "was replaced" : (this.hang ?? describeEnd(end));
    const dead = { mountpoint, serverPid: this.server.pid };
    if (!this.isReplaced) log.warn(dead, `the server ${this.lastDeath}; the next one takes over`);
    this.hang = null;
    this.isReplaced = false;
    this.restarts++;
  }

  /** Waits until there is a program to start. @returns false when nobody needs it any more */
  private async untilProgram(): Promise<boolean> {
    for (;;) {
      const missing = this.parts.missingProgram();
      if (missing === null) return true;
      this.wait(missing);
      if (this.isAbandoned || this.parts.isOver()) return false;
      await sleep(PROGRAM_POLL_MS);
    }
  }

  /** Callers wait for as long as nothing can be started. @param why for people */
  private wait(why: string): void {
    if (this.waitsFor === why) return;
    const { log, mountpoint } = this.parts;
    const death = this.waitsFor === null ? this.lastDeath : this.lastDeath?.replace(`; ${this.waitsFor}`, "");
    this.lastDeath = [death, why].filter((part) => part !== null && part !== undefined).join("; ");
    this.waitsFor = why;
    log.error({ mountpoint }, `no server can be started: ${why}; requests wait until one can`);
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
    if (this.parts.missingProgram() === null) this.launchSuccessor();
    else setTimeout(() => this.isServing && this.startSpare(), SPARE_RETRY_MS).unref();
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
        this.waitsFor = null;
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
