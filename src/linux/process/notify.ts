/**
 * The protocol of the service manager, without libsystemd: the datagrams of
 * sd_notify(3), its fd store (sd_pid_notify_with_fds(3)), the fds that it returns
 * (sd_listen_fds(3)), and the watchdog (sd_watchdog_enabled(3)). Everything returns
 * an errno, so that a manager that does not listen never ends a mount.
 */
import { closeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { EAGAIN, EINVAL, ETIMEDOUT } from "../../base/errno.js";
import type { Errno } from "../../base/units.js";
import { AF_UNIX, F_SETFD, FD_CLOEXEC, SOCK_CLOEXEC, SOCK_DGRAM } from "../syscall/constants.js";
import { fcntl, hasEvent } from "../syscall/libc.js";
import { socket } from "../syscall/libcMount.js";
import { MOST_FDS, UnixMessage, unixAddress, unixSocketPair } from "../syscall/unixMessage.js";

type Environment = Record<string, string | undefined>;

const FIRST_LISTEN_FD = 3;
const POLLHUP = 0x10;
const RETRY_MS = 10;
/** How long a manager may leave its queue full. */
const QUEUE_WAIT_MS = 5_000;

/** What a process was started with. */
export interface ServiceEnvironment {
  /** null without a service manager. */
  readonly manager: ServiceManager | null;
  /** How often it wants WATCHDOG=1, ms; null for never. */
  readonly watchdogMs: number | null;
  /** The fds that it kept for us, by the name they were stored under; close-on-exec. */
  readonly storedFds: ReadonlyMap<string, readonly number[]>;
}

/** For a process that no service manager started. */
export const NO_SERVICE: ServiceEnvironment = { manager: null, watchdogMs: null, storedFds: new Map() };

/**
 * Reads what the service manager left in the environment, and removes it there:
 * none of it is meant for our children.
 */
export function takeServiceEnvironment(environment: Environment = process.env): ServiceEnvironment {
  const take = (name: string): string | undefined => {
    const value = environment[name];
    delete environment[name];
    return value;
  };
  const address = unixAddressOf(take("NOTIFY_SOCKET"));
  const watchdogUsec = Number(take("WATCHDOG_USEC"));
  const watchdogPid = take("WATCHDOG_PID");
  const hasWatchdog = watchdogUsec > 0 && (watchdogPid === undefined || Number(watchdogPid) === process.pid);
  const listenPid = Number(take("LISTEN_PID"));
  const listenFds = Number(take("LISTEN_FDS"));
  const listenNames = take("LISTEN_FDNAMES");
  take("LISTEN_PIDFDID");
  take("FDSTORE");
  return {
    manager: address === null ? null : new ServiceManager(address),
    watchdogMs: hasWatchdog ? watchdogUsec / 1000 : null,
    // Meant for another process, fds of these numbers are anything.
    storedFds: listenPid === process.pid ? namedFds(listenFds, listenNames) : new Map(),
  };
}

/** True when the environment has passed fds that were not taken yet. */
export function hasStoredFds(environment: Environment = process.env): boolean {
  return Number(environment.LISTEN_PID) === process.pid && Number(environment.LISTEN_FDS) > 0;
}

/** Only paths and abstract names; `vsock:` is of virtual machines that tell their host. */
function unixAddressOf(text: string | undefined): Uint8Array | null {
  return text !== undefined && /^[/@]./.test(text) ? unixAddress(text) : null;
}

/** An fd without a name is called `unknown`, as sd_listen_fds_with_names(3) does. */
function namedFds(count: number, names: string | undefined): Map<string, number[]> {
  const words = names?.split(":") ?? [];
  const found = new Map<string, number[]>();
  for (let i = 0; i < count; i++) {
    const fd = FIRST_LISTEN_FD + i;
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) continue;
    const name = words[i] ?? "unknown";
    found.set(name, [...(found.get(name) ?? []), fd]);
  }
  return found;
}

/** One manager that listens at one socket. */
export class ServiceManager {
  private readonly message = new UnixMessage();
  private socketFd = -1;
  private last: Promise<Errno> = Promise.resolve(0);

  constructor(private readonly address: Uint8Array) {}

  /** Tells `lines` (`READY=1`, `STATUS=…`) in one datagram. @returns 0 or a positive errno */
  notify(lines: readonly string[]): Promise<Errno> {
    return this.send(lines, []);
  }

  /**
   * Gives fds to the manager's keeping, where it allows so many (FileDescriptorStoreMax=,
   * which it does not tell). They come back in no certain order: one name each keeps them apart.
   * FDPOLL=0 (systemd 246): a manager that polls /dev/fuse is woken up by every request.
   * @returns 0 or a positive errno; what was sent before it stays stored
   */
  async storeFds(name: string, fds: readonly number[]): Promise<Errno> {
    if (!isFdName(name)) return EINVAL;
    for (let i = 0; i < fds.length; i += MOST_FDS) {
      const errno = await this.send(["FDSTORE=1", `FDNAME=${name}`, "FDPOLL=0"], fds.slice(i, i + MOST_FDS));
      if (errno !== 0) return errno;
    }
    return 0;
  }

  /** Has every fd of that name closed over there. @returns 0 or a positive errno */
  async removeFds(name: string): Promise<Errno> {
    return isFdName(name) ? this.send(["FDSTOREREMOVE=1", `FDNAME=${name}`], []) : EINVAL;
  }

  /**
   * Waits until everything that was sent has been dealt with: the manager closes
   * the fd that comes with BARRIER=1 (sd_notify_barrier(3), systemd 246).
   * @returns 0 or a positive errno: ETIMEDOUT
   */
  async settled(timeoutMs: number): Promise<Errno> {
    const pair = unixSocketPair();
    if (typeof pair === "number") return pair;
    const [ours, theirs] = pair;
    let errno = await this.send(["BARRIER=1"], [theirs]);
    closeSync(theirs);
    const deadline = Date.now() + timeoutMs;
    while (errno === 0 && !hasEvent(ours, POLLHUP)) {
      if (Date.now() >= deadline) errno = ETIMEDOUT;
      else await sleep(RETRY_MS);
    }
    closeSync(ours);
    return errno;
  }

  /** In the order of the calls, also when one has to wait. */
  private send(lines: readonly string[], fds: readonly number[]): Promise<Errno> {
    this.last = this.last.then(() => this.sendNow(lines, fds));
    return this.last;
  }

  /** A full queue is tried again for a while: blocking in the kernel would stop our own thread. */
  private async sendNow(lines: readonly string[], fds: readonly number[]): Promise<Errno> {
    if (this.socketFd < 0) this.socketFd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (this.socketFd < 0) return -this.socketFd;
    const deadline = Date.now() + QUEUE_WAIT_MS;
    for (;;) {
      const errno = this.message.send(this.socketFd, this.address, lines.join("\n"), fds);
      if (errno !== EAGAIN || Date.now() >= deadline) return errno;
      await sleep(RETRY_MS);
    }
  }
}

/** As FDNAME= takes them: ASCII without control characters and colons, 255 at most. */
function isFdName(name: string): boolean {
  return /^[\x20-\x39\x3b-\x7e]{1,255}$/.test(name);
}
