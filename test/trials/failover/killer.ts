/**
 * Kills the servers of a disk at random instants: while they serve, and some as they
 * take over or start, before they can. Now and then one is replaced in order, or the
 * spare is killed. Each death of a server is one restart: that is looked at each time.
 */
import { UserError } from "../../../src/base/errors.js";
import type { Random } from "../../support/random.js";
import { pause } from "../load/within.js";
import type { FailoverDisk } from "./disk.js";

/** A start that takes longer hangs. */
const START_MS = 30_000;
/** After a kill, so often the next server is killed too before it serves, or just then. */
const AGAIN_SHARE = 0.25;
/** About what it takes to take over, with a spare standing by and without. */
const TAKE_OVER_MS = 60;
const START_SPAN_MS = 400;
/** As often, between kills, a server is replaced in order; half of those are killed meanwhile. */
const REPLACE_SHARE = 0.06;
const REPLACE_SPAN_MS = 500;
const SPARE_SHARE = 0.05;
/** Somebody flushes or discards all the time. */
const PROGRESS_MS = 20_000;
const PROGRESS_POLL_MS = 5;

export class Killer {
  /** Servers that were killed. */
  kills = 0;
  /** Those that did not serve yet. */
  early = 0;
  /** Servers that were replaced; if one was killed just then that was one restart all the same. */
  replaced = 0;
  /** From the last kill to the next server that serves, ms. */
  readonly pausesMs: number[] = [];

  /**
   * @param spanMs a server that serves is killed within so long
   * @param answered grows with what only a server can answer; null as long as nobody asks all the time
   */
  constructor(
    private readonly disk: FailoverDisk,
    private readonly random: Random,
    private readonly spanMs: number,
    private readonly answered: () => number | null,
  ) {}

  /** @param check throws when something is wrong already: then there is no use in going on */
  async kill(times: number, check: () => void): Promise<void> {
    while (this.kills < times) {
      check();
      if (this.random.chance(REPLACE_SHARE)) await this.#replace();
      if (this.random.chance(SPARE_SHARE)) await this.#killSpare();
      await this.#killServers(times - this.kills);
    }
  }

  /** One that serves, and perhaps some that follow it. */
  async #killServers(most: number): Promise<void> {
    const { serverPid, restarts } = await this.disk.untilServing(START_MS);
    await pause(this.random.next() * this.spanMs);
    if (!signal(serverPid)) throw new Error(`server ${serverPid} died by itself`);
    const killed = new Set([serverPid]);
    let certain = 1;
    let uncertain = 0;
    while (certain + uncertain < most && this.random.chance(AGAIN_SHARE)) {
      const next = await this.disk.untilAnother(killed, START_MS);
      const spanMs = this.disk.hasSpare ? TAKE_OVER_MS : START_SPAN_MS;
      await pause(this.random.next() * spanMs);
      const status = await this.disk.status();
      if (!signal(next)) continue;
      killed.add(next);
      // A spare that dies before it is told to go on was nobody's server.
      if (status.serverPid === next || !this.disk.hasSpare) certain++;
      else uncertain++;
      if (status.serverPid !== next) this.early++;
    }
    const killedMs = performance.now();
    const after = await this.disk.untilServing(START_MS, killed);
    this.pausesMs.push(performance.now() - killedMs);
    await this.#requireProgress();
    const happened = after.restarts - restarts;
    if (happened < certain || happened > certain + uncertain) {
      throw new Error(`${happened} restarts after ${certain} kills; the last server ${after.lastDeath}`);
    }
    this.kills += happened;
  }

  async #replace(): Promise<void> {
    const { serverPid, restarts } = await this.disk.untilServing(START_MS);
    const replacing = this.disk.replace();
    replacing.catch(() => undefined);
    const isKilled = this.random.chance(0.5);
    if (isKilled) {
      await pause(this.random.next() * REPLACE_SPAN_MS);
      signal(serverPid);
    }
    await replacing.catch((error: unknown) => {
      // Killed before the holder was asked: the next server starts already, and that is the one restart.
      if (!isKilled || !isBusy(error)) throw error;
    });
    const after = await this.disk.untilServing(START_MS);
    if (after.restarts !== restarts + 1) {
      throw new Error(
        `${after.restarts - restarts} restarts after one replacement; the last server ${after.lastDeath}`,
      );
    }
    this.replaced++;
    await this.#requireProgress();
  }

  /** One that says that it serves does so; the next kill would hide one that hangs. */
  async #requireProgress(): Promise<void> {
    const before = this.answered();
    if (before === null) return;
    const endMs = performance.now() + PROGRESS_MS;
    while (this.answered() === before) {
      if (performance.now() > endMs) throw new Error(`a server that serves has answered nothing for ${PROGRESS_MS} ms`);
      await pause(PROGRESS_POLL_MS);
    }
  }

  /** Nobody serves less for it. */
  async #killSpare(): Promise<void> {
    const { serverPid, restarts } = await this.disk.untilServing(START_MS);
    const spare = this.disk.processes().find((pid) => pid !== serverPid);
    if (spare === undefined) return;
    signal(spare);
    await pause(this.random.next() * this.spanMs);
    const after = await this.disk.untilServing(START_MS);
    if (after.restarts !== restarts)
      throw new Error(`${after.restarts - restarts} restarts after the death of a spare`);
  }
}

/** @returns false when there is no such process any more */
function signal(pid: number): boolean {
  try {
    process.kill(pid, "SIGKILL");
    return true;
  } catch {
    return false;
  }
}

const isBusy = (error: unknown): boolean => error instanceof UserError && error.options.code === "EBUSY";
