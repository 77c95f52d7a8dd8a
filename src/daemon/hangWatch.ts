/**
 * Finds a server that hangs: a thread that is at the same thing for too long
 * while the kernel does nothing for it either. What waits for a slow disk, or has
 * a long range to punch, does not hang; nor does who waits for such a one.
 */
import { readThread, type ThreadState } from "../linux/threads.js";
import type { Beats, ThreadBeat } from "./beats.js";

interface Seen {
  readonly count: number;
  readonly sinceMs: number;
  readonly systemMs: number;
}

/** Of the time, in the kernel, that shows that it works. */
const WORKING_PART = 0.05;

export class HangWatch {
  private readonly seen = new Map<number, Seen>();
  private lookedMs = 0;

  /**
   * @param pid the server's
   * @param limitMs how long is too long
   */
  constructor(
    private readonly pid: number,
    private readonly beats: Beats,
    private readonly limitMs: number,
    private readonly read: (pid: number, tid: number) => ThreadState | null = readThread,
  ) {}

  /** To be asked several times within the limit. @returns for people: who hangs; or null */
  look(nowMs: number): string | null {
    // Whoever was not looking (a stopped machine, a stopped holder) has seen nothing.
    if (nowMs - this.lookedMs > this.limitMs / 2) this.seen.clear();
    this.lookedMs = nowMs;
    const late = this.beats.threads().filter((beat) => this.isLate(beat, nowMs));
    if (late.length === 0) return null;
    if (late.some((beat) => this.works(beat, nowMs))) {
      // The others may be waiting for that one.
      for (const beat of late) this.note(beat, nowMs);
      return null;
    }
    const [{ thread }] = late;
    const who = thread === 0 ? "its main thread" : `its thread ${thread}`;
    return `${who} did nothing for ${this.limitMs / 1000} s`;
  }

  /** Busy with one thing for longer than the limit; the main thread must always go on. */
  private isLate(beat: ThreadBeat, nowMs: number): boolean {
    const before = this.seen.get(beat.thread);
    if (before !== undefined && before.count === beat.count && (beat.isBusy || beat.thread === 0)) {
      return nowMs - before.sinceMs > this.limitMs;
    }
    this.note(beat, nowMs);
    return false;
  }

  private works({ thread, tid }: ThreadBeat, nowMs: number): boolean {
    const state = this.read(this.pid, tid);
    const before = this.seen.get(thread);
    if (state === null || before === undefined) return true;
    const workedMs = state.systemMs - before.systemMs;
    return state.isWaitingForIo || state.isTraced || workedMs > (nowMs - before.sinceMs) * WORKING_PART;
  }

  private note({ thread, tid, count }: ThreadBeat, nowMs: number): void {
    this.seen.set(thread, { count, sinceMs: nowMs, systemMs: this.read(this.pid, tid)?.systemMs ?? 0 });
  }
}
