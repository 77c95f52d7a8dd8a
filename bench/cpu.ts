/** CPU time: of the whole machine, which counts kernel threads too, and of a side's own processes. */
import { readFileSync } from "node:fs";
import { processTree } from "./processTree.js";

/** USER_HZ, which the kernel keeps at 100 for what it tells programs. */
const TICKS_PER_SECOND = 100;
/** user, nice, system, irq and softirq of /proc/stat; idle, iowait, stolen and guests' time are none of it. */
const BUSY_COLUMNS = [0, 1, 2, 5, 6];

/** CPU seconds since boot that any program or kernel thread took, of the text of /proc/stat. */
export function parseBusySeconds(stat: string): number {
  const columns = (stat.split("\n")[0] ?? "").trim().split(/\s+/).slice(1).map(Number);
  return BUSY_COLUMNS.reduce((sum, column) => sum + (columns[column] ?? 0), 0) / TICKS_PER_SECOND;
}

/** User and system seconds of a process and of its children that have ended, of the text of /proc/PID/stat. */
export function parseProcessSeconds(stat: string): number {
  // The name, in parentheses, may hold anything; what follows begins with field 3.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS_PER_SECOND;
}

export interface CpuSeconds {
  /** Of the whole machine, the client that makes the load included. */
  readonly busySeconds: number;
  /** Of the side's own processes. */
  readonly processSeconds: number;
}

function now(pids: readonly number[]): CpuSeconds {
  const own = pids.flatMap(processTree).map((pid) => parseProcessSeconds(readFileSync(`/proc/${pid}/stat`, "utf8")));
  return {
    busySeconds: parseBusySeconds(readFileSync("/proc/stat", "utf8")),
    processSeconds: own.reduce((sum, seconds) => sum + seconds, 0),
  };
}

/** The CPU time that passes while `work` does. @param pids a side's processes, with their descendants */
export async function withCpuTime<T>(pids: readonly number[], work: () => Promise<T>): Promise<[T, CpuSeconds]> {
  const before = now(pids);
  const result = await work();
  const after = now(pids);
  const busySeconds = after.busySeconds - before.busySeconds;
  return [result, { busySeconds, processSeconds: after.processSeconds - before.processSeconds }];
}
