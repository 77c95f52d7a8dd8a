/** The life of one pool, with cuts all along it: format, and once or twice mount, load, end; blocks are brought home where they stray. */

import { fileURLToPath } from "node:url";
import { start } from "../../support/processes.js";
import { KIND_FLUSH, type Ledger } from "../load/ledger.js";
import type { Load } from "../load/load.js";
import { type Mounted, mountPool, unmounted } from "../load/mounted.js";
import { pause } from "../load/within.js";
import type { Cut, Phase, Session } from "./inspect.js";
import type { CutDisk } from "./media.js";

const writebackMain = fileURLToPath(new URL("../load/writebackMain.js", import.meta.url));
/** About what each takes; a cut after its end is a cut as well. */
const SPAN_MS: Readonly<Record<Phase, number>> = { format: 400, mount: 700, load: 800, end: 300, rehome: 400 };
const CUTS: Readonly<Record<Phase, number>> = { format: 1, mount: 1, load: 3, end: 1, rehome: 1 };
const MOST_ROUNDS = 2;

export class PoolLife {
  readonly cuts: Cut[] = [];
  readonly #disk: CutDisk;
  readonly #pool: string;
  readonly #directory: string;

  constructor(
    private readonly session: Session,
    disk: CutDisk,
    private readonly load: Load,
  ) {
    this.#disk = disk;
    this.#pool = `${disk.directory}/pool`;
    this.#directory = session.place.makeDirectory("disk");
  }

  /** @throws Error when a step fails, or a writer meets an error */
  async live(): Promise<void> {
    const { place, random, kind } = this.session;
    await this.#cutting("format", () => place.kmemfs(["format", this.#pool, ...kind.format], { cwd: "/" }));
    const files = kind.format.includes("--split") ? [`${this.#pool}/meta`, `${this.#pool}/data`] : [this.#pool];
    const writeback = start(process.execPath, [writebackMain, String(random.below(2 ** 31)), ...files], { cwd: "/" });
    place.cleanup.add("write-back", () => writeback.stop());
    for (let rounds = 1 + random.below(MOST_ROUNDS); rounds > 0; rounds--) {
      const mounted = await this.#cutting("mount", () =>
        mountPool(this.#pool, this.#directory, kind.io, { atomicWrites: kind.atomicWrites }),
      );
      if (mounted.io !== kind.io) throw new Error(`${kind.name} is mounted ${mounted.io}`);
      this.load.begin(mounted.file);
      await this.#cutting("load", () => pause(SPAN_MS.load));
      await this.#cutting("end", () => (random.chance(0.3) ? this.#kill(mounted) : this.#unmount(mounted)));
      if (kind.strays) await this.#cutting("rehome", () => this.#rehome());
    }
    await writeback.stop();
  }

  async #unmount(mounted: Mounted): Promise<void> {
    const errnos = await this.load.stop();
    if (errnos.some((errno) => errno !== "0")) throw new Error(`the writers ended with errno ${errnos.join(", ")}`);
    // An unmount in order is a flush too.
    const { ledger } = this.session;
    ledger.begin(this.load.trialsOwn, KIND_FLUSH, 0, 0);
    await this.session.place.kmemfs(["unmount", this.#directory], { cwd: "/" });
    ledger.answer(this.load.trialsOwn, 0);
    await unmounted(mounted);
  }

  async #kill(mounted: Mounted): Promise<void> {
    process.kill(mounted.serverPid, "SIGKILL");
    await unmounted(mounted);
    await this.load.stop();
  }

  async #rehome(): Promise<void> {
    // 1: some have no home, as in a thin pool.
    const { status, stderr } = await this.session.place.refused(["rehome", this.#pool], { cwd: "/" });
    if (status > 1 || stderr !== "") throw new Error(`rehome ends with ${status}: ${stderr}`);
  }

  /** Does something, and cuts the power at random moments of it. */
  async #cutting<T>(phase: Phase, action: () => Promise<T>): Promise<T> {
    const { random, ledger, media } = this.session;
    const begunMs = performance.now();
    const moments = Array.from({ length: CUTS[phase] }, () => begunMs + random.next() * SPAN_MS[phase]).sort();
    const result = action();
    result.catch(() => undefined);
    for (const momentMs of moments) {
      await pause(Math.max(0, momentMs - performance.now()));
      const fromTick = ledger.tick();
      const image = await media.cut(this.#disk, `cut-${this.cuts.length}`);
      this.cuts.push({ image, phase, fromTick, toTick: ledger.tick() });
    }
    return result;
  }
}

/** Flushes that were acknowledged, and all else that was. */
export function acknowledgedOf(ledger: Ledger): { readonly flushes: number; readonly operations: number } {
  let flushes = 0;
  let operations = 0;
  for (const one of ledger.operations()) {
    if (one.answeredTick === 0) continue;
    if (one.kind === KIND_FLUSH) flushes++;
    else operations++;
  }
  return { flushes, operations };
}
