/**
 * A holder under a service manager: tells it how the mount is, answers its
 * watchdog, and gives it the session's fds to keep. Without one all of it does
 * nothing; one that does not listen is logged, once, and ends no mount.
 */
import { errnoName } from "../../base/errno.js";
import type { Log } from "../../base/ports.js";
import type { Errno } from "../../base/units.js";
import { createNote } from "../../linux/process/noteFile.js";
import type { ServiceEnvironment } from "../../linux/process/notify.js";
import {
  channelNames,
  isChannel,
  type SessionFds,
  type SessionRecord,
  sessionFds,
  writeSessionRecord,
} from "./sessionRecord.js";

/** How long the manager may take to close what it kept; only then the pool's lock is free. */
const SETTLE_MS = 5_000;
/** How long a pool may take before a server serves it: to be looked at as a whole. */
const UNSERVED_MS = 300_000;

export class Service {
  private hasFailed = false;
  private watchdog: NodeJS.Timeout | undefined;
  private noteFd: number | null = null;
  /** Names of what is kept over there. */
  private kept: readonly string[];

  constructor(
    private readonly environment: ServiceEnvironment,
    private readonly log: Log,
  ) {
    this.kept = [...environment.storedFds.keys()];
  }

  get storedFds(): ReadonlyMap<string, readonly number[]> {
    return this.environment.storedFds;
  }

  /** Somebody starts another holder when this one is killed. */
  get isManaged(): boolean {
    return this.environment.manager !== null;
  }

  async tell(...lines: string[]): Promise<void> {
    this.complain(await this.environment.manager?.notify(lines), lines[0]);
  }

  /** Has the session's fds kept from now on, until `drop`. */
  async keep(fds: SessionFds, record: SessionRecord): Promise<void> {
    if (!this.isManaged) return;
    this.noteFd = createNote();
    this.note(record);
    this.kept = [];
    await this.store([...sessionFds(fds, this.noteFd)]);
  }

  /** Has a new session's channels kept beside all else; those before are dropped. */
  async keepChannels(channelFds: readonly number[]): Promise<void> {
    await this.store(channelNames(channelFds));
  }

  private async store(named: readonly [string, number][]): Promise<void> {
    const { manager } = this.environment;
    if (manager === null) return;
    this.kept = [...this.kept, ...named.map(([name]) => name)];
    for (const [name, fd] of named) this.complain(await manager.storeFds(name, [fd]), `FDSTORE of ${name}`);
  }

  /** Of a session that is over; its pool is kept on. */
  async dropChannels(): Promise<void> {
    await this.remove(this.kept.filter(isChannel));
  }

  /** Goes on with a note that was kept. */
  keepOn(noteFd: number): void {
    this.noteFd = noteFd;
  }

  /** What the next holder is to know. */
  note(record: SessionRecord): void {
    if (this.noteFd !== null) writeSessionRecord(this.noteFd, record);
  }

  /** Returns when nothing of the session is kept any more. */
  async drop(): Promise<void> {
    // The note last: whoever is started after a death in between still knows what to clear up.
    await this.remove([...this.kept].sort((a, b) => Number(a === "note") - Number(b === "note")));
  }

  private async remove(names: readonly string[]): Promise<void> {
    const { manager } = this.environment;
    this.kept = this.kept.filter((name) => !names.includes(name));
    if (manager === null || names.length === 0) return;
    for (const name of names) this.complain(await manager.removeFds(name), `FDSTOREREMOVE of ${name}`);
    this.complain(await manager.settled(SETTLE_MS), "BARRIER=1");
  }

  /** Answers the watchdog twice a period; not when nobody has served for long. */
  answerWatchdog(isServed: () => boolean): void {
    const { watchdogMs } = this.environment;
    if (watchdogMs === null || !this.isManaged || this.watchdog !== undefined) return;
    let servedMs = performance.now();
    this.watchdog = setInterval(() => {
      if (isServed()) servedMs = performance.now();
      if (performance.now() - servedMs < UNSERVED_MS) void this.tell("WATCHDOG=1");
    }, watchdogMs / 2);
    this.watchdog.unref();
  }

  private complain(errno: Errno | undefined, what: string): void {
    if (errno === undefined || errno === 0 || this.hasFailed) return;
    this.hasFailed = true;
    this.log.warn({ errno: errnoName(errno) }, `cannot notify the service manager: ${what}`);
  }
}
