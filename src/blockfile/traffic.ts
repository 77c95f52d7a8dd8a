/**
 * The traffic of a thread: monotonic byte counts and the time of the last
 * change. Each thread writes its own slot, so plain stores suffice; readers add
 * the slots up.
 */
import type { Clock } from "../base/ports.js";

export const TRAFFIC_DOUBLES = 8;
const READ = 0;
const WRITTEN = 1;
const DISCARDED = 2;
const CHANGED_MS = 3;

export interface TrafficTotals {
  readBytes: number;
  writtenBytes: number;
  discardedBytes: number;
  /** Milliseconds since the epoch; 0 when nothing changed. */
  changedMs: number;
}

export class Traffic {
  private readonly base: number;

  /** @param slots shared, TRAFFIC_DOUBLES for each thread */
  constructor(
    private readonly slots: Float64Array,
    thread: number,
    private readonly clock: Clock,
  ) {
    this.base = thread * TRAFFIC_DOUBLES;
  }

  /** Of all threads. */
  totals(): TrafficTotals {
    return trafficTotals(this.slots);
  }

  addRead(bytes: number): void {
    this.slots[this.base + READ] += bytes;
  }

  addWritten(bytes: number): void {
    this.slots[this.base + WRITTEN] += bytes;
    this.slots[this.base + CHANGED_MS] = this.clock.nowMs();
  }

  addDiscarded(bytes: number): void {
    this.slots[this.base + DISCARDED] += bytes;
    this.slots[this.base + CHANGED_MS] = this.clock.nowMs();
  }
}

/** Sums all threads' slots. */
export function trafficTotals(slots: Float64Array): TrafficTotals {
  const totals = { readBytes: 0, writtenBytes: 0, discardedBytes: 0, changedMs: 0 };
  for (let base = 0; base + TRAFFIC_DOUBLES <= slots.length; base += TRAFFIC_DOUBLES) {
    totals.readBytes += slots[base + READ];
    totals.writtenBytes += slots[base + WRITTEN];
    totals.discardedBytes += slots[base + DISCARDED];
    totals.changedMs = Math.max(totals.changedMs, slots[base + CHANGED_MS]);
  }
  return totals;
}
