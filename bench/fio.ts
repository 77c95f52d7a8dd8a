/** fio: its command line for a load, and its JSON report. */

export interface Load {
  readonly pattern: "read" | "write" | "randread" | "randwrite" | "randrw";
  readonly blockBytes: number;
  /** Processes; each has one request under way (ioengine psync). */
  readonly jobs: number;
}

export interface LoadFigures {
  readonly iops: number;
  readonly bytesPerSecond: number;
  /** Percentiles of the completion latency, of reads or writes, whichever there are. */
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
}

/**
 * O_DIRECT, so that the client's page cache does not answer instead of the side. No file is made where
 * there is none: of a side that has ended, the empty mount point would be measured.
 */
const COMMON = [
  "--name=bench",
  "--ioengine=psync",
  "--direct=1",
  "--allow_file_create=0",
  "--group_reporting",
  "--output-format=json",
];

/** Sequential jobs have a part of the disk each; random ones share all of it. */
function placing(load: Load, sizeBytes: number): string[] {
  if (load.pattern.startsWith("rand")) return [`--size=${sizeBytes}`, "--norandommap"];
  const partBytes = Math.floor(sizeBytes / load.jobs / load.blockBytes) * load.blockBytes;
  return [`--size=${partBytes}`, `--offset_increment=${partBytes}`];
}

function patternArguments(file: string, load: Load, sizeBytes: number): string[] {
  const shape = [`--rw=${load.pattern}`, `--bs=${load.blockBytes}`, `--numjobs=${load.jobs}`];
  return [...COMMON, `--filename=${file}`, ...shape, ...placing(load, sizeBytes)];
}

/** The arguments that run `load` for a time on a disk of this size. */
export function loadArguments(file: string, load: Load, sizeBytes: number, runtimeMs: number): string[] {
  return [...patternArguments(file, load, sizeBytes), "--time_based", `--runtime=${runtimeMs}ms`];
}

/** The arguments that write all of the disk once. */
export function fillArguments(file: string, sizeBytes: number): string[] {
  return patternArguments(file, { pattern: "write", blockBytes: 2 ** 20, jobs: 1 }, sizeBytes);
}

interface Direction {
  readonly iops: number;
  readonly bw_bytes: number;
  readonly total_ios: number;
  readonly clat_ns: { readonly percentile?: Readonly<Record<string, number>> };
}

interface Report {
  readonly jobs: readonly { readonly error: number; readonly read: Direction; readonly write: Direction }[];
}

/** Reads fio's JSON, which notes may precede. @throws Error when fio met an error or did nothing */
export function parseReport(text: string): LoadFigures {
  const report = JSON.parse(text.slice(text.indexOf("{"))) as Report;
  const job = report.jobs[0];
  if (job === undefined || job.error !== 0) throw new Error(`fio: error ${job?.error ?? "unknown"}`);
  if (job.read.total_ios + job.write.total_ios === 0) throw new Error("fio: nothing was read or written");
  const latency = (job.read.total_ios >= job.write.total_ios ? job.read : job.write).clat_ns.percentile;
  const percentileUs = (name: string): number => (latency?.[name] ?? 0) / 1000;
  return {
    iops: job.read.iops + job.write.iops,
    bytesPerSecond: job.read.bw_bytes + job.write.bw_bytes,
    p50Us: percentileUs("50.000000"),
    p99Us: percentileUs("99.000000"),
    p999Us: percentileUs("99.900000"),
  };
}
