/**
 * A holder under a service manager: reports the state of the mount, answers the
 * watchdog, and stores the session's fds with it. Without a manager all of this does
 * nothing; one that does not listen is logged once and never ends a mount.
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

/** How long the manager gets to close the stored fds, which releases the pool's lock. */
const SETTLE_MS = 5_000;
/** How long a pool may take before a server serves it: to be looked at as a whole. */
const UNSERVED_MS = 300_000;

export class Service {
  private hasFailed = false;
  private watchdog: NodeJS.Timeout | undefined;
  private noteFd: number | null = null;
  /** Names of the stored fds. */
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

  /** The manager starts another holder when this one is killed. */
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

  /** Continues with a stored note. */
  keepOn(noteFd: number): void {
    this.noteFd = noteFd;
  }

  /** Information for the next holder. */
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

  /** Answers the watchdog twice per period, unless there has been no server for long. */
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
