/** The rows of discards: of all at once until the machine has the memory back, and in pieces. */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { formatBytes } from "../../src/cli/sizes.js";
import type { Load } from "../fio.js";
import type { Bench, Running } from "../sides/side.js";
import { discardAll, RANDOM_FILL } from "./firstWrites.js";
import { fill, runOnce } from "./load.js";
import type { Row, Sample } from "./row.js";

/** Other programs use shared memory too: this much of the disk's size must be back. */
const BACK_SHARE = 0.9;
const BACK_TIMEOUT_MS = 5_000;
const PIECE_BYTES = 64 * 1024;

/** The machine's tmpfs and memfd pages: most sides keep their data there. */
function sharedMemoryBytes(): number {
  const line = /^Shmem:\s+(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "utf8"));
  return Number(line?.[1]) * 1024;
}

async function untilBelow(limitBytes: number, heldBytes: () => number): Promise<void> {
  const endMs = performance.now() + BACK_TIMEOUT_MS;
  while (heldBytes() > limitBytes) {
    if (performance.now() > endMs) throw new Error("discard: the memory did not come back to the machine");
    await sleep(1);
  }
}

/** Seconds of `discard`, from its start until `bytes` of memory are the machine's again. */
export async function timeDiscard(side: Running, bytes: number, discard: () => Promise<void>): Promise<Sample> {
  const heldBytes = side.dataBytes ?? sharedMemoryBytes;
  // Compressed, the data take less than their size.
  const limitBytes = heldBytes() - BACK_SHARE * (side.dataBytes?.() ?? bytes);
  const startMs = performance.now();
  await discard();
  const commandSeconds = (performance.now() - startMs) / 1000;
  await untilBelow(limitBytes, heldBytes);
  return { value: (performance.now() - startMs) / 1000, details: { commandSeconds } };
}

const measureAll: Row["measure"] = (side, bench) => timeDiscard(side, bench.sizeBytes, () => discardAll(side, bench));

async function fillAtRandom(side: Running, bench: Bench): Promise<void> {
  await discardAll(side, bench);
  await runOnce(side, RANDOM_FILL, bench);
}

const PIECES: Load = { pattern: "randtrim", blockBytes: PIECE_BYTES, jobs: 1 };

export const discardRows: readonly Row[] = [
  {
    name: "discard",
    title: "discard of all blocks, mapped in order",
    unit: "s",
    isQuick: true,
    prepare: fill,
    measure: measureAll,
  },
  {
    name: "discard-random",
    title: "discard of all blocks, mapped at random",
    unit: "s",
    mostRounds: 3,
    prepare: fillAtRandom,
    measure: measureAll,
  },
  {
    name: "discard-pieces",
    title: `discard of all blocks in pieces of ${formatBytes(PIECE_BYTES)}, at random`,
    unit: "IOPS",
    prepare: fill,
    measure: async (side, bench) => ({ value: (await runOnce(side, PIECES, bench)).iops }),
  },
];
