/**
 * The row of the processes' own memory: the pool's pages do not count, nor does
 * twice what two processes have in common (the text of node is 40 MB in each).
 */
import { readFileSync } from "node:fs";
import { processTree } from "../processTree.js";
import type { Row } from "./row.js";

interface Resident {
  readonly anonymousBytes: number;
  /** By the path of the mapped file. */
  readonly fileBytes: ReadonlyMap<string, number>;
}

/** What a process has in memory, from the text of its smaps (proc_pid_smaps(5)). */
export function parseSmaps(smaps: string): Resident {
  const fileBytes = new Map<string, number>();
  let anonymousBytes = 0;
  let path = "";
  let rssBytes = 0;
  for (const line of smaps.split("\n")) {
    const mapping = /^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+ *(.*)$/.exec(line);
    if (mapping !== null) {
      path = mapping[1]?.startsWith("/") ? mapping[1] : "";
      continue;
    }
    const field = /^(Rss|Anonymous): +(\d+) kB$/.exec(line);
    if (field === null) continue;
    const bytes = Number(field[2]) * 1024;
    if (field[1] === "Rss") rssBytes = bytes;
    else {
      anonymousBytes += bytes;
      if (path !== "") fileBytes.set(path, (fileBytes.get(path) ?? 0) + rssBytes - bytes);
    }
  }
  return { anonymousBytes, fileBytes };
}

/** Pool and session memory: files on tmpfs or memfds, which no directory of the program has. */
const isProgram = (path: string): boolean => /\/(node|[^/]+\.(so[.\d]*|node))$/.test(path);

export const residentMemoryRow: Row = {
  name: "resident",
  title: "resident memory of all processes, shared pages once",
  unit: "bytes",
  isOursAlone: true,
  isQuick: true,
  async measure(side) {
    const processes = side.pids.flatMap(processTree);
    const all = processes.map((pid) => parseSmaps(readFileSync(`/proc/${pid}/smaps`, "utf8")));
    const most = new Map<string, number>();
    let rssBytes = 0;
    for (const [path, bytes] of all.flatMap(({ fileBytes }) => [...fileBytes])) {
      if (!isProgram(path)) continue;
      most.set(path, Math.max(most.get(path) ?? 0, bytes));
      rssBytes += bytes;
    }
    const anonymousBytes = all.reduce((sum, { anonymousBytes }) => sum + anonymousBytes, 0);
    const sharedBytes = [...most.values()].reduce((sum, bytes) => sum + bytes, 0);
    const details = { processes: processes.length, summedRssBytes: anonymousBytes + rssBytes };
    return { value: anonymousBytes + sharedBytes, details };
  },
};
