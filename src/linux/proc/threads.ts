/** What /proc tells of single threads. */
import { readLink, readNames, readText, statFields } from "./procFile.js";

export interface ThreadState {
  /** In an uninterruptible sleep: it waits for the kernel or a disk. */
  readonly isWaitingForIo: boolean;
  /** Stopped by a debugger. */
  readonly isTraced: boolean;
  /** It runs, or waits for a CPU. */
  readonly isRunnable: boolean;
  /** Time it had a CPU, ms: by itself, and in the kernel. */
  readonly userMs: number;
  readonly systemMs: number;
}

/** USER_HZ, the unit of times in /proc: 100 on all architectures that Node runs on. */
const TICK_MS = 10;

/** Parses /proc/PID/task/TID/stat (proc_pid_stat(5)): state is field 3, utime field 14, stime field 15. */
export function parseThread(text: string): ThreadState {
  const fields = statFields(text);
  return {
    isWaitingForIo: fields[0] === "D",
    isTraced: fields[0] === "t",
    isRunnable: fields[0] === "R",
    userMs: Number(fields[11]) * TICK_MS,
    systemMs: Number(fields[12]) * TICK_MS,
  };
}

/** @returns null when the thread is gone */
export function readThread(pid: number, tid: number): ThreadState | null {
  const text = readText(`/proc/${pid}/task/${tid}/stat`);
  return text === null ? null : parseThread(text);
}

/** The kernel's number of the calling thread; 0 where /proc does not tell. */
export function threadId(): number {
  return Number(readLink("/proc/thread-self")?.split("/").at(-1) ?? 0);
}

/** Whether a process makes progress: it used a CPU since the last check, or one of its threads waits for a disk. */
export class ProcessProgress {
  private usedMs = -1;

  constructor(private readonly pid: number) {}

  hasMoved(): boolean {
    const threads = readNames(`/proc/${this.pid}/task`)
      .map((tid) => readThread(this.pid, Number(tid)))
      .filter((thread) => thread !== null);
    const usedMs = threads.reduce((sum, thread) => sum + thread.userMs + thread.systemMs, 0);
    const hasMoved = usedMs !== this.usedMs || threads.some((thread) => thread.isWaitingForIo);
    this.usedMs = usedMs;
    return hasMoved && threads.length > 0;
  }
}
