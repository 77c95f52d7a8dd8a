/** How much of the CPUs is taken: by other programs, as long as the run itself is idle. */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** The columns of the first line of /proc/stat that are no work: idle and iowait. */
const IDLE_COLUMNS = [3, 4];

interface Ticks {
  readonly all: number;
  readonly idle: number;
}

export function parseTicks(stat: string): Ticks {
  const line = stat.split("\n")[0] ?? "";
  const columns = line.trim().split(/\s+/).slice(1).map(Number);
  return {
    all: columns.reduce((sum, ticks) => sum + ticks, 0),
    idle: IDLE_COLUMNS.reduce((sum, column) => sum + (columns[column] ?? 0), 0),
  };
}

const ticks = (): Ticks => parseTicks(readFileSync("/proc/stat", "utf8"));

/** The share of all CPUs, 0 to 1, that was busy during the next `durationMs`. */
export async function busyShare(durationMs: number): Promise<number> {
  const before = ticks();
  await sleep(durationMs);
  const after = ticks();
  return 1 - (after.idle - before.idle) / Math.max(1, after.all - before.all);
}
