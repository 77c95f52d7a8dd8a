/** Disks whose processes are killed. */
import { existsSync } from "node:fs";
import type { MountStatus } from "../../src/mounts/status.js";
import { until } from "./processes.js";

const END_MS = 60_000;

/** Kills the holder, so that it starts no other server, and then the server; returns when both are gone. */
export async function killBoth({ holderPid, serverPid }: Pick<MountStatus, "holderPid" | "serverPid">): Promise<void> {
  for (const pid of [holderPid, serverPid]) {
    if (pid === null) continue;
    kill(pid);
    await until(() => !existsSync(`/proc/${pid}`), END_MS, `process ${pid} to end`);
  }
}

/** A server may end by itself with its holder. */
function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
