/** Disks whose processes are killed. */
import { existsSync } from "node:fs";
import type { MountStatus } from "../../src/mounts/status.js";
import { until } from "./processes.js";

const END_MS = 60_000;

/**
 * Kills the holder, so that it starts no other server, and then the server, which must not
 * see that and close the pool. @returns when both are gone
 */
export async function killBoth({ holderPid, serverPid }: Pick<MountStatus, "holderPid" | "serverPid">): Promise<void> {
  if (serverPid !== null) signal(serverPid, "SIGSTOP");
  for (const pid of [holderPid, serverPid]) {
    if (pid === null) continue;
    signal(pid, "SIGKILL");
    await until(() => !existsSync(`/proc/${pid}`), END_MS, `process ${pid} to end`);
  }
}

/**
 * Sends a signal.
 * @throws Error also where nobody serves: kill(2) takes 0 for the caller's own process group, all of the test run
 */
export function signal(pid: number | null | undefined, name: NodeJS.Signals): void {
  if (!pid) throw new Error(`nobody to send ${name} to: ${pid}`);
  process.kill(pid, name);
}
