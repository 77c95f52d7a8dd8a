/** The limit of the size of files that this process may write (RLIMIT_FSIZE, getrlimit(2)). */
import { readText } from "../proc/procFile.js";
import { type Limit, parseLimit } from "../proc/taskState.js";
import { define } from "./foreign.js";

const RLIMIT_FSIZE = 1;
const setrlimit = define<[resource: number, limits: Uint8Array]>("int setrlimit(int resource, void *rlim)");

/** Bytes; Infinity for no limit, or where /proc does not tell. */
export function fileSizeLimit(): Limit {
  const none = Number.POSITIVE_INFINITY;
  return parseLimit("Max file size", readText("/proc/self/limits") ?? "") ?? { soft: none, hard: none };
}

/** Lets this process write files of `bytes`, where it may. @returns false where it may not */
export function raiseFileSizeLimit(bytes: number): boolean {
  const { soft, hard: most } = fileSizeLimit();
  if (soft >= bytes) return true;
  const hard = Math.max(bytes, most);
  const limits = new BigUint64Array(2).fill(BigInt(bytes));
  if (hard !== bytes) limits[1] = hard === Number.POSITIVE_INFINITY ? 0xffff_ffff_ffff_ffffn : BigInt(hard);
  return setrlimit(RLIMIT_FSIZE, new Uint8Array(limits.buffer)) === 0;
}
