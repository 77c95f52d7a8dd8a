/**
 * The server of a disk in use is killed; the next one dies at a system call, which may
 * be its first one; the third serves. Whoever writes
 * and reads meets no error, and finds what was acknowledged.
 */
import { readFileSync } from "node:fs";
import type { LedgerDisk } from "./ledgerDisk.js";
import type { Death, Stage } from "./stage.js";

/** @returns true when the second server died before it served */
export async function killAtCall(stage: Stage, disk: LedgerDisk, death: Death): Promise<boolean> {
  const { restarts, serverPid } = await disk.status();
  if (serverPid === null) throw new Error("no server to begin with");
  disk.begin();
  stage.plan(death);
  process.kill(serverPid, "SIGKILL");
  let hasServed = false;
  const after = await disk.untilRestarts(restarts + 2, (status) => {
    // Its number is that of the first of the two restarts while it serves.
    if (status.restarts === restarts + 1 && status.serverPid !== null && !stage.isPlanned) hasServed = true;
  });
  await disk.stop();
  await disk.compare();
  if (after.restarts !== restarts + 2) throw new Error(`${after.restarts - restarts} restarts after two deaths`);
  return !hasServed;
}

/** The calls of the main thread of a server that takes over, up to where it serves, in their order. */
export async function callsOf(stage: Stage, disk: LedgerDisk, path: string): Promise<Death[]> {
  const { restarts, serverPid } = await disk.status();
  if (serverPid === null) throw new Error("no server to begin with");
  stage.record(path);
  process.kill(serverPid, "SIGKILL");
  await disk.untilRestarts(restarts + 1);
  await disk.renew();
  return parseCalls(readFileSync(path, "utf8"));
}

/** @param trace what strace wrote with `-f -o`: lines of a pid and a call */
export function parseCalls(trace: string): Death[] {
  const calls: Death[] = [];
  const counts = new Map<string, number>();
  const main = /^\d+/.exec(trace)?.[0];
  for (const line of trace.split("\n")) {
    const [, pid, call] = /^(\d+)\s+(\w+)\(/.exec(line) ?? [];
    // strace does not inject into the execve that begins it.
    if (call === undefined || call === "execve" || pid !== main) continue;
    const number = (counts.get(call) ?? 0) + 1;
    counts.set(call, number);
    calls.push({ call, number });
  }
  return calls;
}
