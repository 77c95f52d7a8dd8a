/** The loop devices on a disk's file, as its holder reports them: each use of a device is determined once. */
import { setTimeout as sleep } from "node:timers/promises";
import type { LoopNodes } from "../linux/proc/loopDevices.js";
import { readMounts } from "../linux/proc/mounts.js";
import { readNamespaces } from "../linux/proc/namespaces.js";
import { loopsByPath, loopsOfDevices } from "./loopFiles.js";

/** A status request waits at most this long for a device that does not answer. */
const WAIT_MS = 1_000;
/** A child that asks a device of a hung disk cannot be killed, so the interval grows each time. */
const FIRST_PAUSE_MS = 60_000;
const LONGEST_PAUSE_MS = 3_600_000;

export interface LoopsSeen {
  readonly sure: readonly LoopNodes[];
  /** Called like ones of ours; they have not said. */
  readonly unsure: readonly LoopNodes[];
}

export class OwnLoops {
  /** By the device of the session, the loop device and its sequence number. */
  private readonly judged = new Map<string, boolean>();
  /** Of those that did not say: when each may be asked again. */
  private readonly silent = new Map<string, { readonly untilMs: number; readonly pauseMs: number }>();
  private judging: Promise<void> | null = null;

  /**
   * @param device `MAJ:MIN` of the session
   * @param isDead it answers nobody
   */
  async on(device: string | null, isDead: boolean): Promise<LoopsSeen> {
    const loops = device === null ? [] : loopsByPath(device, readMounts());
    if (device === null || loops.length === 0) return { sure: [], unsure: [] };
    const keyOf = ({ path, diskSeq }: LoopNodes): string => `${device} ${path} ${diskSeq}`;
    // Without a number another file may have the device by now.
    for (const loop of loops) if (loop.diskSeq === null) this.judged.delete(keyOf(loop));
    const fresh = loops.filter((loop) => {
      const key = keyOf(loop);
      return !this.judged.has(key) && performance.now() >= (this.silent.get(key)?.untilMs ?? 0);
    });
    if (fresh.length > 0) {
      this.judging ??= this.judge(device, fresh, isDead, keyOf).finally(() => {
        this.judging = null;
      });
      await Promise.race([this.judging, sleep(WAIT_MS, undefined, { ref: false })]);
    }
    return {
      sure: loops.filter((loop) => this.judged.get(keyOf(loop)) === true),
      unsure: loops.filter((loop) => !this.judged.has(keyOf(loop))),
    };
  }

  private async judge(
    device: string,
    loops: readonly LoopNodes[],
    isDead: boolean,
    keyOf: (loop: LoopNodes) => string,
  ): Promise<void> {
    const { ours, silent } = await loopsOfDevices(new Set([device]), readNamespaces(), loops, isDead);
    for (const loop of loops) {
      const key = keyOf(loop);
      if (silent.includes(loop)) {
        const pauseMs = Math.min(LONGEST_PAUSE_MS, 2 * (this.silent.get(key)?.pauseMs ?? FIRST_PAUSE_MS / 2));
        this.silent.set(key, { untilMs: performance.now() + pauseMs, pauseMs });
      } else this.judged.set(key, ours.includes(loop));
    }
  }
}
