/** The row of a discard: from the command's start until the machine has the memory back. */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { command } from "../shell.js";
import type { Bench, Running } from "../sides/side.js";
import { fill } from "./load.js";
import type { Row, Sample } from "./row.js";

/** Other programs use shared memory too: this much of the disk's size must be back. */
const BACK_SHARE = 0.9;
const BACK_TIMEOUT_MS = 5_000;
const DISCARD_TIMEOUT_MS = 60_000;

/** The machine's tmpfs and memfd pages: every side of this row keeps its data there. */
function sharedMemoryBytes(): number {
  const line = /^Shmem:\s+(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "utf8"));
  return Number(line?.[1]) * 1024;
}

async function untilBelow(limitBytes: number): Promise<void> {
  const endMs = performance.now() + BACK_TIMEOUT_MS;
  while (sharedMemoryBytes() > limitBytes) {
    if (performance.now() > endMs) throw new Error("discard: the memory did not come back to the machine");
    await sleep(1);
  }
}

async function discard(side: Running, bench: Bench): Promise<Sample> {
  const limitBytes = sharedMemoryBytes() - BACK_SHARE * bench.sizeBytes;
  const startMs = performance.now();
  await command("blkdiscard", [side.file], { timeoutMs: DISCARD_TIMEOUT_MS, signal: bench.signal });
  const commandSeconds = (performance.now() - startMs) / 1000;
  await untilBelow(limitBytes);
  return { value: (performance.now() - startMs) / 1000, details: { commandSeconds } };
}

export const discardRow: Row = {
  name: "discard",
  title: "discard of all blocks",
  unit: "s",
  prepare: fill,
  measure: discard,
};
