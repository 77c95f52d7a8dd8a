/** The row of the processes' own memory: the pool's pages, which are shared memory, do not count. */
import { readFileSync } from "node:fs";
import { processTree } from "../processTree.js";
import type { Row } from "./row.js";

/** Anonymous and file pages of a process; what two of them share counts in both. */
function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const fieldBytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) * 1024;
  return fieldBytes("RssAnon") + fieldBytes("RssFile");
}

export const residentMemoryRow: Row = {
  name: "resident",
  title: "resident memory of all processes",
  unit: "bytes",
  isOursAlone: true,
  isQuick: true,
  async measure(side) {
    const processes = side.pids.flatMap(processTree);
    const value = processes.reduce((sum, pid) => sum + residentBytes(pid), 0);
    return { value, details: { processes: processes.length } };
  },
};
