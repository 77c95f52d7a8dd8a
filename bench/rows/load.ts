/** Rows of reading and writing, done by fio. */
import { fillArguments, type Load, type LoadFigures, loadArguments, parseReport } from "../fio.js";
import { command } from "../shell.js";
import type { Bench, Running } from "../sides/side.js";
import type { Row } from "./row.js";

const KIB = 2 ** 10;
const MIB = 2 ** 20;
/** What fio may take beyond its runtime: starting, and the end of a request that waits. */
const FIO_SLACK_MS = 20_000;
const FILL_TIMEOUT_MS = 120_000;

async function runLoad(side: Running, load: Load, bench: Bench): Promise<LoadFigures> {
  const { runtimeMs, sizeBytes, signal } = bench;
  const args = loadArguments(side.file, load, sizeBytes, runtimeMs);
  return parseReport(await command("fio", args, { timeoutMs: runtimeMs + FIO_SLACK_MS, signal }));
}

/** Writes every block of the disk, so that all are mapped. */
export async function fill(side: Running, bench: Bench): Promise<void> {
  const { sizeBytes, signal } = bench;
  parseReport(await command("fio", fillArguments(side.file, sizeBytes), { timeoutMs: FILL_TIMEOUT_MS, signal }));
}

/** Fills the disk and runs a load that no row counts, so that code is compiled and caches are warm. */
export async function fillAndWarm(side: Running, bench: Bench): Promise<void> {
  await fill(side, bench);
  await runLoad(side, { pattern: "randrw", blockBytes: 4 * KIB, jobs: 8 }, bench);
}

function loadRow(name: string, title: string, load: Load): Row {
  const unit = load.blockBytes >= MIB ? "MiB/s" : "IOPS";
  return {
    name,
    title,
    unit,
    async measure(side, bench) {
      const { iops, bytesPerSecond, ...details } = await runLoad(side, load, bench);
      return { value: unit === "IOPS" ? iops : bytesPerSecond / MIB, details };
    },
  };
}

const random = { read: "randread", write: "randwrite" } as const;

function randomRows(verb: "read" | "write"): Row[] {
  const load = { pattern: random[verb], blockBytes: 4 * KIB };
  return [
    loadRow(`${random[verb]}-4k-j8`, `4 KiB random ${verb}, 8 jobs`, { ...load, jobs: 8 }),
    loadRow(`${random[verb]}-4k-qd1`, `4 KiB random ${verb}, QD1`, { ...load, jobs: 1 }),
  ];
}

function sequentialRow(verb: "read" | "write"): Row {
  return loadRow(`${verb}-1m-j4`, `1 MiB sequential ${verb}, 4 jobs`, { pattern: verb, blockBytes: MIB, jobs: 4 });
}

export const loadRows: readonly Row[] = [
  ...randomRows("read"),
  ...randomRows("write"),
  sequentialRow("read"),
  sequentialRow("write"),
];
