/** A mount in the foreground under the stand-in for a service manager, whose holder may be killed and started again. */
import { existsSync } from "node:fs";
import { Disk } from "./disk.js";
import { signal } from "./killed.js";
import type { Place } from "./place.js";
import { type Background, start, until } from "./processes.js";
import { kmemfsProgram, withTestedIo } from "./project.js";
import { StandInManager } from "./serviceManager.js";

const READY_MS = 60_000;
const GONE_MS = 60_000;
/** As systemd does: fds from 3 on, meant for the process that it starts and no other. */
const LISTENING = 'LISTEN_PID=$$ exec "$0" "$@"';

export class ManagedMount {
  readonly manager: StandInManager;
  readonly disk: Disk;
  private process: Background | null = null;

  constructor(
    place: Place,
    /** What follows `mount -f` but for the mount point. */
    private readonly args: readonly string[],
    private readonly env: Readonly<Record<string, string>> = {},
  ) {
    this.disk = new Disk(place, place.makeDirectory("disk"));
    this.manager = new StandInManager(place.path("notify"));
    place.cleanup.add("the stand-in manager", () => this.manager.close());
    place.endsWithUs(this.disk.directory);
    place.cleanup.add("the holder", () => this.process?.stop());
  }

  /** The holder that runs now. */
  get holder(): Background {
    if (this.process === null) throw new Error("no holder was started");
    return this.process;
  }

  /** Starts a holder with all that is stored, and waits until it is ready. @param further more arguments */
  async start(further: readonly string[] = []): Promise<Background> {
    const before = this.manager.messages.length;
    const holder = this.launch(further);
    await Promise.race([
      this.manager.waitFor("READY=1", READY_MS, before),
      holder.exited.then((status) => {
        throw new Error(`the holder ended with ${status}: ${holder.stderr()}`);
      }),
    ]);
    return holder;
  }

  /** The same without waiting. */
  launch(further: readonly string[] = []): Background {
    const { fds, names } = this.manager.listenFor();
    const [pool, ...options] = this.args;
    const args = withTestedIo(["mount", "-f", pool ?? "tmpfs", this.disk.directory, ...options, ...further]);
    const listening = fds.length === 0 ? {} : { LISTEN_FDS: String(fds.length), LISTEN_FDNAMES: names };
    this.process = start("sh", ["-c", LISTENING, process.execPath, kmemfsProgram, ...args], {
      fds,
      env: { ...this.env, ...listening, NOTIFY_SOCKET: this.manager.address },
    });
    return this.process;
  }

  /** Kills the holder, and waits until it is gone. @returns the pid of its server */
  async killHolder(): Promise<number> {
    const { serverPid, holderPid } = await this.disk.status();
    process.kill(holderPid, "SIGKILL");
    await until(() => !existsSync(`/proc/${holderPid}`), GONE_MS, "the holder to end");
    return serverPid ?? 0;
  }

  /** Kills both, the holder first. */
  async killAll(): Promise<void> {
    const { serverPid } = await this.disk.status();
    if (serverPid !== null) signal(serverPid, "SIGSTOP");
    await this.killHolder();
    if (serverPid !== null) signal(serverPid, "SIGKILL");
  }

  /** Unmounts, and expects that all of it ends in order and nothing stays stored. */
  async end(): Promise<void> {
    const { holder } = this;
    await this.disk.unmount();
    const status = await holder.exited;
    if (status !== 0) throw new Error(`the holder ended with ${status}: ${holder.stderr()}`);
    const left = this.manager.storedNames();
    if (left.length > 0) throw new Error(`still stored: ${left.join(", ")}`);
  }
}
