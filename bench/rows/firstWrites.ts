/** Rows of writes that meet each block of the disk once: into holes, and over what is there. */
import type { Load } from "../fio.js";
import { command } from "../shell.js";
import type { Bench, Running } from "../sides/side.js";
import { fill, MIB, measureLoad, runOnce, unitOf } from "./load.js";
import type { Row } from "./row.js";

const DISCARD_TIMEOUT_MS = 60_000;

/** Makes holes of all blocks of a block device. */
export async function discardAll(side: Running, { signal }: Bench): Promise<void> {
  await command("blkdiscard", [side.file], { timeoutMs: DISCARD_TIMEOUT_MS, signal });
}

/** Maps all blocks, in random order, 4 KiB a request. */
export const RANDOM_FILL: Load = { pattern: "randwrite", blockBytes: 4096, jobs: 1, depth: 32 };
const ORDERED_FILL: Load = { pattern: "write", blockBytes: MIB, jobs: 1 };

function onceRow(name: string, title: string, load: Load, prepare: NonNullable<Row["prepare"]>, isQuick = false): Row {
  const measure: Row["measure"] = (side, bench) => measureLoad(side, load, () => runOnce(side, load, bench));
  return { name, title, unit: unitOf(load), isQuick, prepare, measure };
}

export const firstWriteRows: readonly Row[] = [
  onceRow("first-write-1m", "first writes into holes, 1 MiB in order", ORDERED_FILL, discardAll, true),
  onceRow("first-write-4k", "first writes into holes, 4 KiB random, depth 32", RANDOM_FILL, discardAll),
  { ...onceRow("overwrite-1m", "overwrites, 1 MiB in order", ORDERED_FILL, fill), mostRounds: 3 },
];
