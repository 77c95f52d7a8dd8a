/**
 * Detects a server that hangs: a thread that makes no progress for too long and for
 * which the kernel does nothing either. A thread that waits for a slow disk, punches a
 * long range, or gets no CPU does not hang; nor does a thread that waits for such a one.
 */
import { readThread, type ThreadState } from "../../linux/proc/threads.js";
import type { Heartbeats, ThreadHeartbeat } from "../session/heartbeats.js";

interface Seen {
  readonly count: number;
  readonly sinceMs: number;
  readonly userMs: number;
  readonly systemMs: number;
}

/** Of the time, with a CPU, that shows that it works. */
const WORKING_PART = 0.05;
/** A queue for a slow disk may be so many times as long as the limit; a start may take as long. */
const PATIENCE = 6;
/** A count that no thread has. */
const STARTING = -1;

export class HangWatch {
  private readonly seen = new Map<number, Seen>();
  private lookedMs = 0;

  /**
   * @param pid the server's
   * @param limitMs how long is too long
   */
  constructor(
    private readonly pid: number,
    private readonly beats: Heartbeats,
    private readonly limitMs: number,
    private readonly read: (pid: number, tid: number) => ThreadState | null = readThread,
  ) {}

  /** To be asked several times within the limit. @returns for people: who hangs; or null */
  look(nowMs: number): string | null {
    // After a pause of the holder (a stopped machine or process) the times mean nothing.
    if (nowMs - this.lookedMs > this.limitMs / 2) this.seen.clear();
    this.lookedMs = nowMs;
    const beats = this.threads();
    const late = beats.filter((beat) => this.isLate(beat, nowMs));
    if (late.length === 0) return null;
    if (late.some((beat) => this.works(beat, nowMs))) {
      // The other threads may be waiting for this one.
      for (const beat of late) this.note(beat, nowMs);
      return null;
    }
    // Each of those that queue for a disk is late while the others, one after the other, are not.
    if (beats.some((beat) => beat.isBusy && this.read(this.pid, beat.tid)?.isWaitingForIo)) {
      const first = Math.min(...late.map(({ thread }) => this.seen.get(thread)?.sinceMs ?? nowMs));
      if (nowMs - first <= this.limitMs * PATIENCE) return null;
    }
    const [{ thread }] = late;
    const who = thread === 0 ? "its main thread" : `its thread ${thread}`;
    return `${who} was unresponsive for ${this.limitMs / 1000} s`;
  }

  /** Until one has begun to work, the main thread starts the server. */
  private threads(): ThreadHeartbeat[] {
    const beats = this.beats.threads();
    if (beats.length > 0 || this.beats.isClosing) return beats;
    return [{ thread: 0, tid: this.pid, count: STARTING, isBusy: true }];
  }

  /** Busy with one thing for longer than the limit; the main thread must always go on. */
  private isLate(beat: ThreadHeartbeat, nowMs: number): boolean {
    const before = this.seen.get(beat.thread);
    if (before !== undefined && before.count === beat.count && (beat.isBusy || beat.thread === 0)) {
      return nowMs - before.sinceMs > this.limitMs * (beat.count === STARTING ? PATIENCE : 1);
    }
    this.note(beat, nowMs);
    return false;
  }

  private works({ thread, tid, count }: ThreadHeartbeat, nowMs: number): boolean {
    const state = this.read(this.pid, tid);
    const before = this.seen.get(thread);
    if (state === null || before === undefined) return true;
    if (state.isWaitingForIo || state.isTraced) return true;
    const leastMs = (nowMs - before.sinceMs) * WORKING_PART;
    const systemMs = state.systemMs - before.systemMs;
    const cpuMs = systemMs + state.userMs - before.userMs;
    // Opening a pool has no time limit.
    if (count === STARTING && cpuMs > leastMs) return true;
    const isStarved = state.isRunnable && cpuMs < leastMs;
    return isStarved || systemMs > leastMs;
  }

  private note({ thread, tid, count }: ThreadHeartbeat, nowMs: number): void {
    const state = this.read(this.pid, tid);
    this.seen.set(thread, { count, sinceMs: nowMs, userMs: state?.userMs ?? 0, systemMs: state?.systemMs ?? 0 });
  }
}
