/** Rows of the program alone: the time until an empty or a full pool serves, and the memory that an empty one holds. */
import { existsSync, rmSync, statSync } from "node:fs";
import { fillIndex, metadataFile } from "../craftedPool.js";
import { makeDirectory } from "../place.js";
import { kmemfsCommand, mountKmemfs, statusOf } from "../sides/kmemfs.js";
import type { Bench, Running } from "../sides/side.js";
import { withUndo } from "../undo.js";
import type { Row } from "./row.js";

/** Of what stat calls a block. */
const STAT_BLOCK_BYTES = 512;
const GIBIBYTES = [1, 16, 64] as const;

type Content = "empty" | "full";

const pathOf = (side: Running, name: string): string => `${side.file}-${name}`;

async function format(pool: string, side: Running, size: string, { signal }: Bench): Promise<void> {
  const split = side.way === "direct" ? ["--split"] : [];
  await kmemfsCommand(["format", pool, "--size", size, ...split], { signal });
}

/** Seconds of `kmemfs mount`, from the command's start to its end, when the file can be used. */
function mountSeconds(pool: string, side: Running, { signal }: Bench): Promise<number> {
  return withUndo(async (undo) => {
    const mountpoint = makeDirectory(`${pool}.mount`, undo);
    const startMs = performance.now();
    await mountKmemfs(mountpoint, [pool, mountpoint, "--io", side.way!], signal, undo);
    const taken = (performance.now() - startMs) / 1000;
    await statusOf(mountpoint, side.way!, signal);
    return taken;
  });
}

/** Formats and mounts a new pool, measures, and removes it again. */
async function formatAndMount(side: Running, size: string, bench: Bench): Promise<{ seconds: number; bytes: number }> {
  const pool = pathOf(side, "new");
  try {
    const startMs = performance.now();
    await format(pool, side, size, bench);
    const formatSeconds = (performance.now() - startMs) / 1000;
    const seconds = formatSeconds + (await mountSeconds(pool, side, bench));
    const files = side.way === "direct" ? [`${pool}/meta`, `${pool}/data`] : [pool];
    const bytes = files.reduce((sum, file) => sum + statSync(file).blocks * STAT_BLOCK_BYTES, 0);
    return { seconds, bytes };
  } finally {
    rmSync(pool, { recursive: true, force: true });
  }
}

/** A pool of so many GiB, made when it is first asked for; the run's tmpfs goes away with it. */
async function keptPool(content: Content, gibibytes: number, side: Running, bench: Bench): Promise<string> {
  const pool = pathOf(side, `${content}-${gibibytes}g`);
  if (!existsSync(pool)) await format(pool, side, `${gibibytes}G`, bench);
  // Each time: when a direct pool is closed, its holes become those of the index.
  if (content === "full") fillIndex(metadataFile(pool, side.way!));
  return pool;
}

const TITLES: Record<Content, string> = {
  empty: "an empty pool",
  full: "a full pool (index full, data pages are holes of the tmpfs)",
};

function mountRow(content: Content, gibibytes: number): Row {
  return {
    name: `mount-${content}-${gibibytes}g`,
    title: `mount of ${TITLES[content]} of ${gibibytes} GiB`,
    unit: "s",
    isOursAlone: true,
    isQuick: gibibytes === 64 && content === "full",
    measure: async (side, bench) => {
      const pool = await keptPool(content, gibibytes, side, bench);
      const value = await mountSeconds(pool, side, bench);
      if (content === "empty") return { value };
      const emptySeconds = await mountSeconds(await keptPool("empty", gibibytes, side, bench), side, bench);
      return { value, details: { overEmpty: value / emptySeconds } };
    },
  };
}

/** What a full pool takes to mount beyond an empty one. */
async function probeSeconds(gibibytes: number, side: Running, bench: Bench): Promise<number> {
  const empty = await keptPool("empty", gibibytes, side, bench);
  const emptySeconds = await mountSeconds(empty, side, bench);
  const full = await keptPool("full", gibibytes, side, bench);
  return (await mountSeconds(full, side, bench)) - emptySeconds;
}

/** Large ones: what a mount takes besides varies by some hundredths of a second. */
const probeLinearRow: Row = {
  name: "probe-linear",
  title: "mount of a full pool beyond that of an empty one: 256 GiB, over four times 64 GiB",
  unit: "×",
  isOursAlone: true,
  measure: async (side, bench) => {
    const small = await probeSeconds(64, side, bench);
    const large = await probeSeconds(256, side, bench);
    // An index of 512 MiB.
    rmSync(pathOf(side, "full-256g"), { recursive: true });
    return { value: large / (4 * small), details: { smallSeconds: small, largeSeconds: large } };
  },
};

/** 4 million entries. */
const checkRow: Row = {
  name: "check-full-16g",
  title: `kmemfs check of ${TITLES.full} of 16 GiB`,
  unit: "s",
  isOursAlone: true,
  isQuick: true,
  measure: async (side, bench) => {
    const pool = await keptPool("full", 16, side, bench);
    const startMs = performance.now();
    await kmemfsCommand(["check", pool], { signal: bench.signal });
    return { value: (performance.now() - startMs) / 1000 };
  },
};

export const poolRows: readonly Row[] = [
  {
    name: "format-mount-1t",
    title: "format and mount an empty pool of 1T",
    unit: "s",
    isOursAlone: true,
    measure: async (side, bench) => ({ value: (await formatAndMount(side, "1T", bench)).seconds }),
  },
  {
    name: "empty-memory-1t",
    title: "memory of an empty pool of 1T, after its mount",
    unit: "bytes",
    isOursAlone: true,
    measure: async (side, bench) => ({ value: (await formatAndMount(side, "1T", bench)).bytes }),
  },
  ...GIBIBYTES.map((gibibytes) => mountRow("empty", gibibytes)),
  ...GIBIBYTES.map((gibibytes) => mountRow("full", gibibytes)),
  probeLinearRow,
  checkRow,
];
