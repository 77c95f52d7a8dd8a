/** fio with verification; it ends with an error at the first block that differs. */
import { existsSync, writeFileSync } from "node:fs";
import type { Place } from "./place.js";
import { type RunResult, run, start } from "./processes.js";

export interface FioJob {
  readonly rw: "randwrite" | "write" | "randrw" | "randtrimwrite";
  readonly ioengine: "psync" | "libaio";
  readonly size: string;
  readonly jobs?: number;
  readonly blockSize?: string;
  readonly args?: readonly string[];
}

/**
 * Writes and then verifies. Several jobs get a part of the file each:
 * `size` is that of one job.
 */
export function fioVerify(filename: string, job: FioJob): Promise<RunResult> {
  const { jobs = 1, blockSize = "4k" } = job;
  const depth = job.ioengine === "libaio" ? ["--iodepth=16"] : [];
  return run(
    "fio",
    [
      "--name=verify",
      `--filename=${filename}`,
      `--rw=${job.rw}`,
      `--bs=${blockSize}`,
      `--size=${job.size}`,
      `--ioengine=${job.ioengine}`,
      ...depth,
      `--numjobs=${jobs}`,
      ...(jobs > 1 ? [`--offset_increment=${job.size}`, "--group_reporting"] : []),
      "--direct=1",
      "--verify=crc32c",
      "--verify_fatal=1",
      "--verify_state_save=0",
      "--allow_mounted_write=0",
      "--randrepeat=0",
      "--minimal",
      ...(job.args ?? []),
    ],
    { timeoutMs: 90_000, cwd: "/" },
  );
}

/** A verified load that goes on until it is told to end: no test waits for its time to be over. */
export interface FioLoad {
  /** False once fio has ended by itself, as at an error. */
  isRunning(): boolean;
  /** @throws Error with what fio said, unless all was well */
  finish(): Promise<void>;
}

/** At most: a test that fails tells it nothing. */
const LOAD_SECONDS = 300;
const LOAD = ["--rw=randrw", "--bs=4k", "--ioengine=psync", "--time_based", `--runtime=${LOAD_SECONDS}`];
const VERIFY = ["--verify=crc32c", "--verify_backlog=64", "--verify_state_save=0", "--direct=1", "--size=16m"];
let loads = 0;

/** Three jobs read and write `where`: `--directory=` or `--filename=`; other arguments may replace the usual ones. */
export function startLoad(place: Place, ...where: readonly string[]): FioLoad {
  const end = place.path(`fio-ends-${loads++}`);
  const apart = where.some((word) => word.startsWith("--filename=")) ? ["--offset_increment=16m"] : [];
  const args = ["--name=load", "--numjobs=3", ...LOAD, ...VERIFY, ...apart, ...where, `--trigger-file=${end}`];
  const fio = start("fio", args, { cwd: "/" });
  place.cleanup.add("fio", () => fio.stop());
  return {
    isRunning: () => existsSync(`/proc/${fio.pid}`),
    finish: async () => {
      writeFileSync(end, "");
      const status = await fio.exited;
      if (status !== 0)
        throw new Error(`fio: status ${status}\n${fio.stdout().slice(-1000)}\n${fio.stderr().slice(-2000)}`);
    },
  };
}
