/** fio with verification; it ends with an error at the first block that differs. */
import { type RunResult, run } from "./processes.js";

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
