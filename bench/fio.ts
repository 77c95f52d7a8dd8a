/** fio: its command line for a load, and its JSON report. */

export interface Load {
  readonly pattern: "read" | "write" | "randread" | "randwrite" | "randrw" | "randtrim";
  readonly blockBytes: number;
  /** Processes; each has one request under way, or `depth`. */
  readonly jobs: number;
  /** Requests that each job has under way at a time, by ioengine libaio. Absent: one, by psync. */
  readonly depth?: number;
  /** Of randrw; absent: fio's 50. */
  readonly readPercent?: number;
  /** Offsets are multiples of this; absent: of blockBytes. What lies between is never touched. */
  readonly strideBytes?: number;
}

export interface LoadFigures {
  readonly iops: number;
  readonly bytesPerSecond: number;
  readonly requests: number;
  readonly bytes: number;
  /** Percentiles of the completion latency, of reads or writes, whichever there are more of. */
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
}

/**
 * O_DIRECT, so that the client's page cache does not answer instead of the side. No file is made where
 * there is none: of a side that has ended, the empty mount point would be measured.
 */
const COMMON = ["--name=bench", "--direct=1", "--allow_file_create=0", "--group_reporting", "--output-format=json"];

const isRandom = (load: Load): boolean => load.pattern.startsWith("rand");

/** Sequential jobs have a part of the disk each; random ones share all of it. */
function placing(load: Load, sizeBytes: number): string[] {
  if (isRandom(load)) return [`--size=${sizeBytes}`];
  const partBytes = Math.floor(sizeBytes / load.jobs / load.blockBytes) * load.blockBytes;
  return [`--size=${partBytes}`, `--offset_increment=${partBytes}`];
}

/** A sequential load with a stride skips what lies between; a random one is aligned. */
function shape({ pattern, blockBytes, strideBytes, readPercent }: Load): string[] {
  const skipBytes = (strideBytes ?? blockBytes) - blockBytes;
  const isSkipping = skipBytes > 0 && !pattern.startsWith("rand");
  return [
    `--rw=${pattern}${isSkipping ? `:${skipBytes}` : ""}`,
    `--bs=${blockBytes}`,
    ...(skipBytes > 0 && !isSkipping ? [`--blockalign=${strideBytes}`] : []),
    ...(readPercent === undefined ? [] : [`--rwmixread=${readPercent}`]),
  ];
}

function patternArguments(file: string, load: Load, sizeBytes: number): string[] {
  const engine = load.depth === undefined ? ["--ioengine=psync"] : ["--ioengine=libaio", `--iodepth=${load.depth}`];
  const jobs = `--numjobs=${load.jobs}`;
  return [...COMMON, ...engine, `--filename=${file}`, ...shape(load), jobs, ...placing(load, sizeBytes)];
}

/** The arguments that run `load` for a time on a disk of this size. */
export function loadArguments(file: string, load: Load, sizeBytes: number, runtimeMs: number): string[] {
  const map = isRandom(load) ? ["--norandommap"] : [];
  return [...patternArguments(file, load, sizeBytes), ...map, "--time_based", `--runtime=${runtimeMs}ms`];
}

/** The arguments that run `load` until each of its blocks was met once. */
export function onceArguments(file: string, load: Load, sizeBytes: number): string[] {
  const { strideBytes, blockBytes } = load;
  const count = strideBytes === undefined ? [] : [`--io_size=${Math.floor(sizeBytes / strideBytes) * blockBytes}`];
  return [...patternArguments(file, load, sizeBytes), ...count];
}

/** The arguments for data that are half noise, half the same; usually all is noise. */
export const HALF_COMPRESSIBLE: readonly string[] = ["--buffer_compress_percentage=50"];

/** The arguments that write all of the disk once, in order. */
export function fillArguments(file: string, sizeBytes: number): string[] {
  return onceArguments(file, { pattern: "write", blockBytes: 2 ** 20, jobs: 1 }, sizeBytes);
}

interface Direction {
  readonly iops: number;
  readonly bw_bytes: number;
  readonly total_ios: number;
  readonly io_bytes: number;
  readonly clat_ns?: { readonly percentile?: Readonly<Record<string, number>> };
}

interface Report {
  readonly jobs: readonly {
    readonly error: number;
    readonly read: Direction;
    readonly write: Direction;
    readonly trim?: Direction;
  }[];
}

/** Reads fio's JSON, which notes may precede. @throws Error when fio met an error or did nothing */
export function parseReport(text: string): LoadFigures {
  const report = JSON.parse(text.slice(text.indexOf("{"))) as Report;
  const job = report.jobs[0];
  if (job === undefined || job.error !== 0) throw new Error(`fio: error ${job?.error ?? "unknown"}`);
  const directions = [job.read, job.write, ...(job.trim === undefined ? [] : [job.trim])];
  const sum = (name: "iops" | "bw_bytes" | "total_ios" | "io_bytes"): number =>
    directions.reduce((total, direction) => total + direction[name], 0);
  const requests = sum("total_ios");
  if (requests === 0) throw new Error("fio: nothing was read or written");
  const most = directions.reduce((one, other) => (other.total_ios > one.total_ios ? other : one));
  const percentileUs = (name: string): number => (most.clat_ns?.percentile?.[name] ?? 0) / 1000;
  return {
    iops: sum("iops"),
    bytesPerSecond: sum("bw_bytes"),
    requests,
    bytes: sum("io_bytes"),
    p50Us: percentileUs("50.000000"),
    p99Us: percentileUs("99.000000"),
    p999Us: percentileUs("99.900000"),
  };
}
