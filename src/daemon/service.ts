/**
 * A holder under a service manager: tells it how the mount is, answers its
 * watchdog, and gives it the session's fds to keep. Without one all of it does
 * nothing; one that does not listen is logged, once, and ends no mount.
 */
import { errnoName } from "../base/errno.js";
import type { Log } from "../base/ports.js";
import type { Errno } from "../base/units.js";
import type { ServiceEnvironment } from "../linux/notify.js";

/** How long the manager may take to close what it kept; only then the pool's lock is free. */
const SETTLE_MS = 5_000;

export class Service {
  private hasFailed = false;
  private watchdog: NodeJS.Timeout | undefined;

  constructor(
    private readonly environment: ServiceEnvironment,
    private readonly log: Log,
  ) {}

  get storedFds(): ReadonlyMap<string, readonly number[]> {
    return this.environment.storedFds;
  }

  /** Somebody starts another holder when this one is killed. */
  get isManaged(): boolean {
    return this.environment.manager !== null;
  }

  async tell(...lines: string[]): Promise<void> {
    this.note(await this.environment.manager?.notify(lines), lines[0]);
  }

  /** @param fds by name; each lives over there until `drop` */
  async keep(fds: ReadonlyMap<string, number>): Promise<void> {
    for (const [name, fd] of fds) this.note(await this.environment.manager?.storeFds(name, [fd]), `FDSTORE of ${name}`);
  }

  /** Returns when the manager has closed what it kept under `names`. */
  async drop(names: Iterable<string>): Promise<void> {
    const { manager } = this.environment;
    if (manager === null) return;
    for (const name of names) this.note(await manager.removeFds(name), `FDSTOREREMOVE of ${name}`);
    this.note(await manager.settled(SETTLE_MS), "BARRIER=1");
  }

  /** Answers the watchdog twice a period, as long as `isHealthy` says so. */
  answerWatchdog(isHealthy: () => boolean): void {
    const { watchdogMs, manager } = this.environment;
    if (watchdogMs === null || manager === null || this.watchdog !== undefined) return;
    this.watchdog = setInterval(() => {
      if (isHealthy()) void this.tell("WATCHDOG=1");
    }, watchdogMs / 2);
    this.watchdog.unref();
  }

  private note(errno: Errno | undefined, what: string): void {
    if (errno === undefined || errno === 0 || this.hasFailed) return;
    this.hasFailed = true;
    this.log.warn({ errno: errnoName(errno) }, `the service manager could not be told: ${what}`);
  }
}
