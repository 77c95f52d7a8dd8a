/** A pool and what must be in it: written by a load with a ledger, compared after each kill. */
import { findMount } from "../../../src/mounts/client.js";
import type { MountStatus } from "../../../src/mounts/status.js";
import type { Place } from "../../support/place.js";
import { kmemfs } from "../failover/kmemfs.js";
import { Load } from "../load/load.js";
import { readDisk } from "../load/mounted.js";
import { SECTOR_BYTES } from "../load/stamps.js";
import { type Contents, compare } from "../load/verify.js";
import { pause } from "../load/within.js";

export type Way = "served" | "direct";

const DISK_BYTES = 8 * 2 ** 20;
const WRITERS = 2;
const SHARES = { flush: 0.02, discard: 0.2, zero: 0.1 };
const POLL_MS = 3;
const SERVE_MS = 60_000;
/** Whoever was answered was answered: there is no error, and nothing in flight. */
const ALL = {
  durableTick: Number.POSITIVE_INFINITY,
  endTick: Number.POSITIVE_INFINITY,
  atomicBlocks: false,
  tornSectors: false,
};

export class LedgerDisk {
  readonly pool: string;
  readonly directory: string;
  operations = 0;
  readonly #load: Load;
  #before: Contents = new Int32Array(DISK_BYTES / SECTOR_BYTES);

  constructor(
    private readonly place: Place,
    readonly way: Way,
    seed: number,
  ) {
    this.pool = place.path(`pool-${way}`);
    this.directory = place.makeDirectory(`disk-${way}`);
    this.#load = new Load(place, `ledger-${way}`, WRITERS, seed, SHARES);
    place.endsWithUs(this.directory);
  }

  async format(): Promise<void> {
    await kmemfs(["format", this.pool, "--size", String(DISK_BYTES), ...this.formatArguments]);
  }

  get formatArguments(): readonly string[] {
    return this.way === "direct" ? ["--split"] : [];
  }

  get file(): string {
    return `${this.directory}/disk`;
  }

  /** Sets the writers to work. */
  begin(): void {
    this.#load.begin(this.file);
  }

  /** @throws Error when one met an error */
  async stop(): Promise<void> {
    const errnos = await this.#load.stop();
    if (errnos.some((errno) => errno !== "0")) throw new Error(`the writers ended with errno ${errnos.join(", ")}`);
  }

  quit(): void {
    this.#load.quit();
  }

  /** Compares the disk, which is mounted and at rest, with the ledger, and begins a new one. @throws Error */
  async compare(): Promise<void> {
    const { ledger } = this.#load;
    const bytes = await readDisk(this.place, this.file, `read-${this.way}`);
    const { wrong, contents } = compare(bytes, this.#before, ledger, ALL);
    if (wrong.length > 0) throw new Error(`${wrong[0]}\n${wrong.join("\n")}`);
    this.operations += ledger.count;
    this.#before = contents;
    ledger.clear();
  }

  async status(): Promise<MountStatus> {
    const status = await findMount(this.directory);
    if (status === null) throw new Error(`${this.directory}: its holder is gone`);
    return status;
  }

  /** Has a server that nobody traces take over: one that did not get as far as its death is still waiting for it. */
  async renew(): Promise<void> {
    const { restarts, serverPid } = await this.untilRestarts(0);
    try {
      if (serverPid !== null) process.kill(serverPid, "SIGKILL");
    } catch {
      // It met its death just now.
    }
    await this.untilRestarts(restarts + 1);
  }

  /** Resolves when there were so many restarts, and a server serves. @param look sees each status until then */
  async untilRestarts(restarts: number, look: (status: MountStatus) => void = () => undefined): Promise<MountStatus> {
    const endMs = performance.now() + SERVE_MS;
    for (;;) {
      const status = await this.status();
      look(status);
      if (status.restarts >= restarts && status.serverPid !== null) return status;
      if (performance.now() > endMs) {
        throw new Error(`${status.restarts} restarts instead of ${restarts} within ${SERVE_MS} ms`);
      }
      await pause(POLL_MS);
    }
  }
}
