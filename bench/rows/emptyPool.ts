/** Rows of a new and empty pool of 1 TiB: the time until it serves, and the memory that it holds then. */
import { rmSync, statSync } from "node:fs";
import { makeDirectory } from "../place.js";
import { kmemfsCommand, mountKmemfs } from "../sides/kmemfs.js";
import type { Bench, Running } from "../sides/side.js";
import { withUndo } from "../undo.js";
import type { Row } from "./row.js";

const SIZE = "1T";
/** Of what stat calls a block. */
const STAT_BLOCK_BYTES = 512;

/** Formats and mounts the pool `side.file`, measures, and removes it again. */
function formatAndMount({ file: pool }: Running, { signal }: Bench): Promise<{ seconds: number; bytes: number }> {
  return withUndo(async (undo) => {
    const mountpoint = makeDirectory(`${pool}.mount`, undo);
    const startMs = performance.now();
    undo.add(pool, () => rmSync(pool, { force: true }));
    await kmemfsCommand(["format", pool, "--size", SIZE], { signal });
    await mountKmemfs(mountpoint, [pool, mountpoint, "--io", "served"], signal, undo);
    const seconds = (performance.now() - startMs) / 1000;
    return { seconds, bytes: statSync(pool).blocks * STAT_BLOCK_BYTES };
  });
}

export const emptyPoolRows: readonly Row[] = [
  {
    name: "format-mount-1t",
    title: `format and mount an empty pool of ${SIZE}`,
    unit: "s",
    isOursAlone: true,
    measure: async (side, bench) => ({ value: (await formatAndMount(side, bench)).seconds }),
  },
  {
    name: "empty-memory-1t",
    title: `memory of an empty, mounted pool of ${SIZE}`,
    unit: "bytes",
    isOursAlone: true,
    measure: async (side, bench) => ({ value: (await formatAndMount(side, bench)).bytes }),
  },
];
