/** All that is measured: which sides meet, and on which rows. */
import { join } from "node:path";
import { discardRow } from "./rows/discard.js";
import { emptyPoolRows } from "./rows/emptyPool.js";
import { fillAndWarm, loadRows } from "./rows/load.js";
import { residentMemoryRow } from "./rows/residentMemory.js";
import { keyOf, type Row, type Stage } from "./rows/row.js";
import { kmemfs } from "./sides/kmemfs.js";
import { onLoop, tmpfsFile } from "./sides/loop.js";
import { nbdfuse } from "./sides/nbdfuse.js";
import { qemu, qemuUring } from "./sides/qemu.js";
import type { Side } from "./sides/side.js";

/** As `kmemfs up` attaches it. */
const KMEMFS_LOOP = ["--direct-io=on", "--sector-size", "4096"];

/** The program alone: its rows format and mount by themselves, a pool at `file`. */
const commands: Side = {
  ...kmemfs("served"),
  start: async (bench) => ({ file: join(bench.place.ram, "pool"), pids: [], cleanup: async () => undefined }),
};

/** The rows whose memory grows with use come last, so that they see the load's traces. */
export const stages: readonly Stage[] = [
  {
    name: "file",
    title: "on the file",
    sides: [kmemfs("served"), nbdfuse, qemu, qemuUring],
    prepare: fillAndWarm,
    rows: [...loadRows, residentMemoryRow],
  },
  {
    name: "loop",
    title: "on a loop device",
    sides: [
      onLoop(kmemfs("served"), KMEMFS_LOOP),
      onLoop(tmpfsFile("loop"), [], "loop", "loop on a tmpfs file"),
      onLoop(tmpfsFile("loop-direct"), ["--direct-io=on"], "loop-direct", "loop on a tmpfs file, --direct-io=on"),
    ],
    prepare: fillAndWarm,
    rows: [...loadRows, discardRow, residentMemoryRow],
  },
  { name: "pool", title: "an empty pool", sides: [commands], rows: emptyPoolRows },
];

/**
 * The stages with only the rows whose keys begin with or contain one of `words`; all when there are none.
 * @throws Error naming a word that no row has
 */
export function selectRows(all: readonly Stage[], words: readonly string[]): Stage[] {
  const keys = all.flatMap((stage) => stage.rows.map((row) => keyOf(stage, row)));
  const stranger = words.find((word) => !keys.some((key) => key.includes(word)));
  if (stranger !== undefined) throw new Error(`no row is called ${stranger}; there are: ${keys.join(" ")}`);
  const isChosen = (stage: Stage, row: Row): boolean =>
    words.length === 0 || words.some((word) => keyOf(stage, row).includes(word));
  return all
    .map((stage) => ({ ...stage, rows: stage.rows.filter((row) => isChosen(stage, row)) }))
    .filter((stage) => stage.rows.length > 0);
}
