/** Processes and the machine's memory as shown in /proc. A missing file gives null, never an exception. */
import { KIB, PAGE_BYTES } from "../../base/units.js";
import { readText, statFields } from "./procFile.js";

/** False for a zombie too: it holds nothing any more. */
export function isAlive(pid: number): boolean {
  const [state] = statFields(readText(`/proc/${pid}/stat`));
  return state !== undefined && state !== "Z" && state !== "X";
}

/** PF_EXITING of include/linux/sched.h: the program has ended, and the kernel is cleaning up. */
const PF_EXITING = 0x4;

/** True for a process that no longer runs: gone, a zombie, or exiting (field 9 of its stat). */
export function hasEnded(pid: number): boolean {
  return !isAlive(pid) || (Number(statFields(readText(`/proc/${pid}/stat`))[6]) & PF_EXITING) !== 0;
}

/** Values of `Name:   123 kB` lines in bytes (proc_meminfo(5), proc_pid_status(5)). */
export function parseKilobytes(text: string): ReadonlyMap<string, number> {
  const values = new Map<string, number>();
  for (const match of text.matchAll(/^(\S+):\s+(\d+) kB$/gm)) values.set(match[1], Number(match[2]) * KIB);
  return values;
}

/** Memory of a process that is no file's: its heaps, stacks and buffers, bytes (RssAnon in proc_pid_status(5)); 0 for one that is gone. */
export function anonymousBytes(pid: number): number {
  return parseKilobytes(readText(`/proc/${pid}/status`) ?? "").get("RssAnon") ?? 0;
}

/** The machine's memory: all of it, what could be had without swapping, and what is simply unused; 0 for unknown. */
export function machineMemory(root = ""): {
  readonly totalBytes: number;
  readonly availableBytes: number;
  readonly freeBytes: number;
} {
  const values = parseKilobytes(readText(`${root}/proc/meminfo`) ?? "");
  const bytes = (name: string): number => values.get(name) ?? 0;
  return { totalBytes: bytes("MemTotal"), availableBytes: bytes("MemAvailable"), freeBytes: bytes("MemFree") };
}

/**
 * Free pages that the kernel keeps in lists of each CPU, bytes. MemFree and
 * MemAvailable leave them out, for seconds after much was freed at once
 * (free_unref_folios; `count` of the pagesets in proc_zoneinfo).
 */
export function perCpuFreeBytes(): number {
  let pages = 0;
  for (const match of (readText("/proc/zoneinfo") ?? "").matchAll(/^ +count: +(\d+)$/gm)) pages += Number(match[1]);
  return pages * PAGE_BYTES;
}
