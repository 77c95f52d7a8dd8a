/** All that is measured: which sides meet, and on which rows. */
import { measuredKey } from "./derived.js";
import { discardRows } from "./rows/discard.js";
import { firstWriteRows } from "./rows/firstWrites.js";
import { growthRows, mapAndWarm } from "./rows/growth.js";
import { depthRows, fillAndWarm, loadRows } from "./rows/load.js";
import { mkfsRow } from "./rows/mkfs.js";
import { npmCiRow } from "./rows/npmCi.js";
import { poolRows } from "./rows/pool.js";
import { postgresRow } from "./rows/postgres.js";
import { programRows } from "./rows/program.js";
import { residentMemoryRow } from "./rows/residentMemory.js";
import { keyOf, type Row, type Stage } from "./rows/row.js";
import { sqliteRow } from "./rows/sqlite.js";
import { treeRow } from "./rows/tree.js";
import { cFloor } from "./sides/cFloor.js";
import { fuseNative } from "./sides/fuseNative.js";
import { kmemfs, kmemfsOfAddress, kmemfsProgram } from "./sides/kmemfs.js";
import { onLoop, tmpfsFile } from "./sides/loop.js";
import { memcpy } from "./sides/memcpy.js";
import { nbdfuse } from "./sides/nbdfuse.js";
import { qemu, qemuUring } from "./sides/qemu.js";
import type { Way } from "./sides/side.js";
import { tmpfs } from "./sides/tmpfs.js";
import { zram, zramHalf } from "./sides/zram.js";

/** As `kmemfs up` attaches it, for each way. */
const KMEMFS_LOOP: Record<Way, readonly string[]> = {
  served: ["--direct-io=on", "--sector-size", "4096"],
  direct: ["--direct-io=on", "--sector-size", "4096"],
};

const WAYS: readonly Way[] = ["served", "direct"];

const kmemfsOnLoop = WAYS.map((way) => onLoop(kmemfs(way), KMEMFS_LOOP[way]));
const loop = onLoop(tmpfsFile("loop"), [], "loop", "loop on a tmpfs file");
const floorOnLoop = onLoop(cFloor, KMEMFS_LOOP.served);
const loopDirect = onLoop(
  tmpfsFile("loop-direct"),
  ["--direct-io=on"],
  "loop-direct",
  "loop on a tmpfs file, --direct-io=on",
);

function growthStage(way: Way): Stage {
  return {
    name: `growth-${way}`,
    title: "16 and 64 GiB of address against 1 GiB",
    sides: [kmemfsOfAddress(way, 1, true), kmemfsOfAddress(way, 16, false), kmemfsOfAddress(way, 64, false)],
    prepare: mapAndWarm,
    rows: [...growthRows, { ...residentMemoryRow, isQuick: false }],
  };
}

/** The rows whose memory grows with use come last, so that they see the load's traces. */
export const stages: readonly Stage[] = [
  {
    name: "file",
    title: "on the file",
    sides: [...WAYS.map(kmemfs), nbdfuse, qemu, qemuUring, fuseNative, loop, memcpy, cFloor],
    prepare: fillAndWarm,
    rows: [...loadRows, residentMemoryRow],
  },
  {
    name: "loop",
    title: "on a loop device",
    sides: [...kmemfsOnLoop, loop, loopDirect, zram, zramHalf, floorOnLoop],
    prepare: fillAndWarm,
    rows: [...loadRows, ...depthRows, ...firstWriteRows, ...discardRows, mkfsRow, residentMemoryRow],
  },
  {
    name: "files",
    title: "files on ext4 on a loop device",
    sides: [
      ...kmemfsOnLoop,
      loop,
      { ...loopDirect, onlyRows: [treeRow.name, sqliteRow.name] },
      zram,
      zramHalf,
      tmpfs,
      floorOnLoop,
    ],
    prepare: fillAndWarm,
    rows: [treeRow, sqliteRow, postgresRow, npmCiRow],
  },
  { name: "pool", title: "the program alone", sides: WAYS.map(kmemfsProgram), rows: [...programRows, ...poolRows] },
  ...WAYS.map(growthStage),
];

/** The stages with only the rows that `isChosen`; those without any are left out. */
function withRows(all: readonly Stage[], isChosen: (stage: Stage, row: Row) => boolean): Stage[] {
  return all
    .map((stage) => ({ ...stage, rows: stage.rows.filter((row) => isChosen(stage, row)) }))
    .filter((stage) => stage.rows.length > 0);
}

/** The stages with the rows of a short run. */
export function quickRows(all: readonly Stage[]): Stage[] {
  return withRows(all, (_stage, row) => row.isQuick ?? false);
}

/**
 * The stages with only the rows whose keys contain one of `words`; all when there are none.
 * @throws Error naming a word that no row has
 */
export function selectRows(all: readonly Stage[], words: readonly string[]): Stage[] {
  const keys = all.flatMap((stage) => stage.rows.map((row) => keyOf(stage, row)));
  const stranger = words.find((word) => !keys.some((key) => key.includes(measuredKey(word))));
  if (stranger !== undefined) throw new Error(`no row is called ${stranger}; there are: ${keys.join(" ")}`);
  return withRows(all, (stage, row) => {
    const key = keyOf(stage, row);
    return words.length === 0 || words.some((word) => key.includes(measuredKey(word)));
  });
}
