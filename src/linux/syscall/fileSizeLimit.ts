/** The limit of the size of files that this process may write (RLIMIT_FSIZE, getrlimit(2)). */
import { readText } from "../proc/procFile.js";

const RLIMIT_FSIZE = 1;

/** Bytes; Infinity for no limit, or where /proc does not tell. */
export function fileSizeLimit(): { readonly softBytes: number; readonly hardBytes: number } {
  const match = /^Max file size\s+(\S+)\s+(\S+)/m.exec(readText("/proc/self/limits") ?? "");
  const bytes = (word: string | undefined): number =>
    word === undefined || word === "unlimited" ? Number.POSITIVE_INFINITY : Number(word);
  return { softBytes: bytes(match?.[1]), hardBytes: bytes(match?.[2]) };
}

/** Lets this process write files of `bytes`, where it may. @returns false where it may not */
export async function raiseFileSizeLimit(bytes: number): Promise<boolean> {
  const { softBytes, hardBytes } = fileSizeLimit();
  if (softBytes >= bytes) return true;
  const hard = Math.max(bytes, hardBytes);
  const limits = new BigUint64Array(2).fill(BigInt(bytes));
  if (hard !== bytes) limits[1] = hard === Number.POSITIVE_INFINITY ? 0xffff_ffff_ffff_ffffn : BigInt(hard);
  const { default: koffi } = await import("koffi");
  const setrlimit = koffi.load("libc.so.6").func("int setrlimit(int resource, void *rlim)");
  return setrlimit(RLIMIT_FSIZE, new Uint8Array(limits.buffer)) === 0;
}
