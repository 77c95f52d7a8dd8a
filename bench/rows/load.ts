/** Rows of a load that runs for a time on a disk that is mapped in full, by fio. */
import { withCpuTime } from "../cpu.js";
import {
  fillArguments,
  HALF_COMPRESSIBLE,
  type Load,
  type LoadFigures,
  loadArguments,
  onceArguments,
  parseReport,
} from "../fio.js";
import { command } from "../shell.js";
import type { Bench, Running } from "../sides/side.js";
import type { Row, Sample } from "./row.js";

const KIB = 2 ** 10;
export const MIB = 2 ** 20;
/** Blocks from this size on are counted in bytes, smaller ones in requests. */
const BYTES_FROM = 64 * KIB;
/** What fio may take beyond its runtime: starting, and the end of a request that waits. */
const FIO_SLACK_MS = 20_000;
const ONCE_TIMEOUT_MS = 120_000;

const contentArguments = ({ isCompressible }: Running): readonly string[] => (isCompressible ? HALF_COMPRESSIBLE : []);

/** Runs a load for the time that the run gives it. */
export async function runLoad(side: Running, load: Load, bench: Bench): Promise<LoadFigures> {
  if (side.load !== undefined) return side.load(load, bench);
  const { runtimeMs, signal } = bench;
  const args = loadArguments(side.file, load, side.addressBytes ?? bench.sizeBytes, runtimeMs);
  return parseReport(
    await command("fio", [...args, ...contentArguments(side)], { timeoutMs: runtimeMs + FIO_SLACK_MS, signal }),
  );
}

/** Runs a load until it has met each of its blocks once. */
export async function runOnce(side: Running, load: Load, bench: Bench): Promise<LoadFigures> {
  const args = onceArguments(side.file, load, side.addressBytes ?? bench.sizeBytes);
  return parseReport(
    await command("fio", [...args, ...contentArguments(side)], { timeoutMs: ONCE_TIMEOUT_MS, signal: bench.signal }),
  );
}

/** Writes every block of the disk, so that all are mapped. */
export async function fill(side: Running, { sizeBytes, signal }: Bench): Promise<void> {
  const args = [...fillArguments(side.file, sizeBytes), ...contentArguments(side)];
  parseReport(await command("fio", args, { timeoutMs: ONCE_TIMEOUT_MS, signal }));
}

/** Fills the disk and runs a load that no row counts, so that code is compiled and caches are warm. */
export async function fillAndWarm(side: Running, bench: Bench): Promise<void> {
  if (side.load !== undefined || side.isDirectory) return;
  await fill(side, bench);
  await runLoad(side, { pattern: "randrw", blockBytes: 4 * KIB, jobs: 8 }, bench);
}

/** A load's figures, of which one is the row's value and the others are details. */
function sampleOf({ iops, bytesPerSecond, ...details }: LoadFigures, unit: Row["unit"]): Sample {
  return { value: unit === "IOPS" ? iops : bytesPerSecond / MIB, details };
}

export function unitOf(load: Load): "IOPS" | "MiB/s" {
  return load.blockBytes >= BYTES_FROM ? "MiB/s" : "IOPS";
}

/** One sample of a load, with the CPU time that it took. */
export async function measureLoad(side: Running, load: Load, run: () => Promise<LoadFigures>): Promise<Sample> {
  const [figures, cpu] = await withCpuTime(side.pids, run);
  const { value, details } = sampleOf(figures, unitOf(load));
  return { value, details: { ...details, ...cpu } };
}

export function loadRow(name: string, title: string, load: Load, isQuick = false): Row {
  const measure: Row["measure"] = (side, bench) => measureLoad(side, load, () => runLoad(side, load, bench));
  return { name, title, unit: unitOf(load), isQuick, measure };
}

const random = { read: "randread", write: "randwrite" } as const;

function randomRows(verb: "read" | "write"): Row[] {
  const load = { pattern: random[verb], blockBytes: 4 * KIB };
  return [
    loadRow(`${random[verb]}-4k-j8`, `4 KiB random ${verb}, 8 jobs`, { ...load, jobs: 8 }, true),
    loadRow(`${random[verb]}-4k-qd1`, `4 KiB random ${verb}, QD1`, { ...load, jobs: 1 }, verb === "read"),
  ];
}

/** Of these --quick has the read that is compared with memcpy, and the write of several jobs. */
const QUICK_SEQUENTIAL = ["read-1m-j1", "write-1m-j4"];

function sequentialRows(verb: "read" | "write", blockBytes: number): Row[] {
  const size = blockBytes < MIB ? { name: "64k", title: "64 KiB" } : { name: "1m", title: "1 MiB" };
  return [1, 4].map((jobs) => {
    const name = `${verb}-${size.name}-j${jobs}`;
    const title = `${size.title} sequential ${verb}, ${jobs === 1 ? "1 job" : `${jobs} jobs`}`;
    const row = loadRow(name, title, { pattern: verb, blockBytes, jobs }, QUICK_SEQUENTIAL.includes(name));
    // Between the small and the large ones, which tell most.
    return blockBytes < MIB ? { ...row, mostRounds: 3 } : row;
  });
}

/** On the file and on the loop device. */
export const loadRows: readonly Row[] = [
  ...randomRows("read"),
  ...randomRows("write"),
  loadRow("randrw-4k-j8", "4 KiB random, 70 % reads and 30 % writes, 8 jobs", {
    pattern: "randrw",
    blockBytes: 4 * KIB,
    jobs: 8,
    readPercent: 70,
  }),
  ...sequentialRows("read", 64 * KIB),
  ...sequentialRows("write", 64 * KIB),
  ...sequentialRows("read", MIB),
  ...sequentialRows("write", MIB),
];

/** On the loop device: the page cache of a file would not let libaio's requests overlap everywhere. */
export const depthRows: readonly Row[] = (["read", "write"] as const).map((verb) =>
  loadRow(
    `${random[verb]}-4k-d32`,
    `4 KiB random ${verb}, libaio, depth 32`,
    { pattern: random[verb], blockBytes: 4 * KIB, jobs: 1, depth: 32 },
    verb === "read",
  ),
);
