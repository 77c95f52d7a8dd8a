/** A process and all that descend from it, as /proc has them. */
import { readdirSync, readFileSync } from "node:fs";

/** What `read` gives, or nothing when the process is gone. */
function orNothing<T>(read: () => T[]): T[] {
  try {
    return read();
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return [];
    throw error;
  }
}

function childrenOf(pid: number): number[] {
  const threads = orNothing(() => readdirSync(`/proc/${pid}/task`));
  const list = (thread: string): string => readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8");
  return threads.flatMap((thread) => orNothing(() => list(thread).split(" ").filter(Boolean).map(Number)));
}

/** `pid` and its descendants, parents first. */
export function processTree(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(processTree)];
}

/** Kills `pid` and its descendants, wherever they are: fio's jobs leave its process group. */
export function killTree(pid: number): void {
  for (const one of processTree(pid)) {
    try {
      process.kill(one, "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}
