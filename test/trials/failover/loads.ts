/** What goes on on the file system while servers die: fio that verifies, and fstrim. */
import type { Place } from "../../support/place.js";
import { start } from "../../support/processes.js";
import { Repeated } from "./repeated.js";

const LIMIT_MS = 180_000;
const TRIM_PAUSE_MS = 150;
const JOBS = 3;
/** Two runs of three go around the page cache of the file system, the third through it. */
const CACHED_EVERY = 3;

/** fio writes, reads back in between and at the end, and ends with an error at the first block that differs. */
export function fioArguments(seed: number, isCached: boolean): string[] {
  return [
    "--rw=randwrite",
    "--bsrange=4k-64k",
    "--size=16m",
    `--numjobs=${JOBS}`,
    ...(isCached
      ? ["--ioengine=psync", "--direct=0", "--fsync=64"]
      : ["--ioengine=libaio", "--iodepth=8", "--direct=1"]),
    "--verify=crc32c",
    "--verify_backlog=128",
    "--verify_fatal=1",
    "--verify_state_save=0",
    `--randseed=${seed}`,
    "--unlink=1",
    "--group_reporting",
    "--minimal",
  ];
}

export function fioOn(place: Place, directory: string, seed: number): Repeated {
  const begin = (round: number) =>
    start(
      "fio",
      ["--name=verify", `--directory=${directory}`, ...fioArguments(seed + round, round % CACHED_EVERY === 2)],
      { cwd: "/" },
    );
  return new Repeated(place, `fio on ${directory}`, begin, 0, LIMIT_MS);
}

export function trimOf(place: Place, directory: string): Repeated {
  const begin = () => start("fstrim", [directory], { cwd: "/" });
  return new Repeated(place, `fstrim ${directory}`, begin, TRIM_PAUSE_MS, LIMIT_MS);
}
