/** What /proc tells of single threads. */
import { readLink, readText } from "./procFile.js";

export interface ThreadState {
  /** In an uninterruptible sleep: the kernel works, or a disk does. */
  readonly isWaitingForIo: boolean;
  /** Stopped by a debugger. */
  readonly isTraced: boolean;
  /** Time the kernel worked for it, ms. */
  readonly systemMs: number;
}

/** USER_HZ, the unit of times in /proc: 100 on all architectures that Node runs on. */
const TICK_MS = 10;

/** Parses /proc/PID/task/TID/stat (proc_pid_stat(5)): state is field 3, stime field 15. */
export function parseThread(text: string): ThreadState {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return {
    isWaitingForIo: fields[0] === "D",
    isTraced: fields[0] === "t",
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
