/** One pool that is mounted, written and bereft of its server, again and again. */
import { rmSync } from "node:fs";
import { ENOSPC } from "../../../src/base/errno.js";
import type { Place } from "../../support/place.js";
import { isMounted } from "../../support/place.js";
import { Random } from "../../support/random.js";
import { Load } from "../load/load.js";
import { mountPool, readDisk, unmounted } from "../load/mounted.js";
import type { Shares } from "../load/operations.js";
import { SECTOR_BYTES } from "../load/stamps.js";
import { type Contents, compare } from "../load/verify.js";
import { pause } from "../load/within.js";

export interface KillTotals {
  kills: number;
  acknowledged: number;
  /** Begun and never answered. */
  inFlight: number;
  /** Sectors of operations in flight that were cut off in the middle. */
  tornSectors: number;
  checks: number;
  readonly byKind: Map<string, number>;
}

interface Kind {
  readonly name: string;
  readonly format: readonly string[];
  readonly io: "served" | "direct";
}

const DISK_BYTES = 8 * 2 ** 20;
const KINDS: readonly Kind[] = [
  { name: "one file", format: ["--size", "8M"], io: "served" },
  { name: "thin", format: ["--size", "8M", "--pool-size", "6M"], io: "served" },
  { name: "directory", format: ["--split", "--size", "8M"], io: "served" },
  { name: "direct", format: ["--split", "--size", "8M"], io: "direct" },
];
const SHARES: Shares = { flush: 0.01, discard: 0.2, zero: 0.1 };
const WRITERS = 2;
/** Then the next kind has its turn, on a new pool. */
const MOST_KILLS_A_POOL = 25;
const END_MS = 30_000;
/** A store through the mapping is cut off anywhere: what was in flight may be torn within a sector. */
const ALL = {
  durableTick: Number.POSITIVE_INFINITY,
  endTick: Number.POSITIVE_INFINITY,
  atomicBlocks: false,
  tornSectors: true,
};

export class KillLane {
  readonly #load: Load;
  readonly #random: Random;
  readonly #pool: string;
  readonly #directory: string;
  #kind: Kind = KINDS[0] as Kind;
  readonly #killsAPool: number;
  #killsOfPool: number;
  #pools: number;
  #before: Contents = new Int32Array();

  constructor(
    private readonly place: Place,
    private readonly lane: number,
    seed: number,
    private readonly totals: KillTotals,
    /** In all lanes: of a short trial each kind gets a part. */
    kills: number,
  ) {
    this.#killsAPool = Math.min(MOST_KILLS_A_POOL, Math.ceil(kills / (2 * KINDS.length)));
    this.#killsOfPool = this.#killsAPool;
    this.#random = new Random(seed);
    this.#load = new Load(place, `ledger-${lane}`, WRITERS, seed, SHARES);
    this.#pool = place.path(`pool-${lane}`);
    this.#directory = place.makeDirectory(`disk-${lane}`);
    this.#pools = lane;
    place.endsWithUs(this.#directory);
  }

  /** From one kill to the next: opens the pool, compares, loads, kills. */
  async cycle(): Promise<void> {
    if (this.#killsOfPool >= this.#killsAPool) await this.#newPool();
    const mounted = await mountPool(this.#pool, this.#directory, this.#kind.io);
    try {
      await this.#compare(mounted.file);
      this.#load.begin(mounted.file);
      await this.#someWork();
    } finally {
      process.kill(mounted.serverPid, "SIGKILL");
    }
    await unmounted(mounted);
    this.#load.ledger.setStopped(true);
    await this.#load.ended();
    if (isMounted(this.#directory)) throw new Error(`${this.#directory} is mounted after the holder's end`);
    this.totals.kills++;
    this.totals.byKind.set(this.#kind.name, (this.totals.byKind.get(this.#kind.name) ?? 0) + 1);
    this.#killsOfPool++;
    if (this.#killsOfPool === this.#killsAPool) await this.#lastLook();
  }

  /** After the last cycle. */
  async end(): Promise<void> {
    if (this.#killsOfPool < this.#killsAPool) await this.#lastLook();
    this.#load.quit();
  }

  async #newPool(): Promise<void> {
    rmSync(this.#pool, { recursive: true, force: true });
    this.#kind = KINDS[this.#pools++ % KINDS.length] as Kind;
    await this.place.kmemfs(["format", this.#pool, ...this.#kind.format]);
    this.#before = new Int32Array(DISK_BYTES / SECTOR_BYTES);
    this.#load.ledger.clear();
    this.#killsOfPool = 0;
  }

  /** What the last kill left must be checked too, and be a pool without a fault. */
  async #lastLook(): Promise<void> {
    await this.place.kmemfs(["check", this.#pool]);
    this.totals.checks++;
    const mounted = await mountPool(this.#pool, this.#directory, this.#kind.io);
    await this.#compare(mounted.file);
    process.kill(mounted.holderPid, "SIGTERM");
    await unmounted(mounted);
    const { stdout } = await this.place.kmemfs(["check", this.#pool]);
    if (!/: clean, /.test(stdout)) throw new Error(`not clean after an unmount: ${stdout}`);
  }

  /** Compares the disk with the ledger, and begins a new one from what is there. */
  async #compare(file: string): Promise<void> {
    const { ledger } = this.#load;
    const bytes = await readDisk(this.place, file, `read-${this.lane}`);
    const { wrong, contents, torn } = compare(bytes, this.#before, ledger, ALL);
    if (wrong.length > 0) {
      throw new Error(`${this.#kind.name}, after kill ${this.totals.kills}: ${wrong[0]}\n${wrong.join("\n")}`);
    }
    for (const one of ledger.operations()) {
      if (one.answeredTick > 0) this.totals.acknowledged++;
      else if (one.errno !== ENOSPC) this.totals.inFlight++;
    }
    this.totals.tornSectors += torn;
    this.#before = contents;
    ledger.clear();
  }

  /** Some operations, and then any moment. */
  async #someWork(): Promise<void> {
    const { ledger } = this.#load;
    const wanted = 1 + this.#random.below(100);
    const endMs = performance.now() + END_MS;
    while (ledger.count < wanted) {
      if (performance.now() > endMs) throw new Error("the writers do nothing");
      await pause(1);
    }
    await pause(this.#random.next() * 20);
  }
}
