/** What /proc tells of how a process stands with the kernel: task flags, limits, capabilities, locked memory. */
import { parseKilobytes } from "./proc.js";
import { readLink, readNames, readText, statFields } from "./procFile.js";

/** What prctl(PR_SET_IO_FLUSHER) sets (include/linux/sched.h; the same numbers since Linux 5.6). */
const PF_MEMALLOC_NOIO = 0x00080000;
const PF_LOCAL_THROTTLE = 0x00100000;
const IO_FLUSHER = PF_MEMALLOC_NOIO | PF_LOCAL_THROTTLE;

/** include/uapi/linux/capability.h */
export const CAP_IPC_LOCK = 14;
export const CAP_SYS_ADMIN = 21;
export const CAP_SYS_RESOURCE = 24;

export interface Limit {
  /** Infinity for `unlimited`. */
  readonly soft: number;
  readonly hard: number;
}

export interface Limits {
  readonly memlockBytes: Limit;
  readonly openFiles: Limit;
}

export interface ProcessState {
  readonly pid: number;
  /** One entry a thread: whether it is in the IO_FLUSHER state. */
  readonly ioFlusher: readonly boolean[];
  readonly oomScoreAdj: number;
  readonly lockedBytes: number;
  readonly limits: Limits | null;
  readonly openFiles: number;
  /** The number of its open files on /dev/fuse. */
  readonly channels: number;
}

/** null when the process is gone, or another user's. */
export function processState(pid: number): ProcessState | null {
  const status = readText(`/proc/${pid}/status`);
  if (status === null) return null;
  const links = readNames(`/proc/${pid}/fd`).map((fd) => readLink(`/proc/${pid}/fd/${fd}`));
  const ioFlusher = readNames(`/proc/${pid}/task`)
    .map((tid) => isIoFlusher(readText(`/proc/${pid}/task/${tid}/stat`) ?? ""))
    .filter((state) => state !== null);
  return {
    pid,
    ioFlusher,
    oomScoreAdj: Number(readText(`/proc/${pid}/oom_score_adj`) ?? "0"),
    lockedBytes: parseKilobytes(status).get("VmLck") ?? 0,
    limits: parseLimits(readText(`/proc/${pid}/limits`) ?? ""),
    openFiles: links.length,
    channels: links.filter((link) => link === "/dev/fuse").length,
  };
}

/** From the text of /proc/PID/task/TID/stat, field 9. null when it is cut off. */
export function isIoFlusher(stat: string): boolean | null {
  const fields = statFields(stat);
  const flags = Number(fields[6]);
  if (fields.length < 7 || !Number.isInteger(flags)) return null;
  return (flags & IO_FLUSHER) === IO_FLUSHER;
}

/** True when the text of /proc/PID/status has `capability` in the effective set. */
export function hasCapability(status: string, capability: number): boolean {
  const digits = /^CapEff:\s+([0-9a-f]+)$/m.exec(status)?.[1] ?? "0";
  // The low 32 bits have all that is asked for, and fit a number.
  return ((Number.parseInt(digits.slice(-8), 16) >>> capability) & 1) === 1;
}

/** The text of /proc/PID/limits (proc_pid_limits(5)); null when it lacks what is asked for. */
export function parseLimits(text: string): Limits | null {
  const memlockBytes = parseLimit("Max locked memory", text);
  const openFiles = parseLimit("Max open files", text);
  return memlockBytes === null || openFiles === null ? null : { memlockBytes, openFiles };
}

/** One of them, by the words that it begins with. */
export function parseLimit(name: string, text: string): Limit | null {
  const match = new RegExp(`^${name}\\s+(\\S+)\\s+(\\S+)\\s+\\S+\\s*$`, "m").exec(text);
  return match === null ? null : { soft: count(match[1]), hard: count(match[2]) };
}

function count(word: string): number {
  return word === "unlimited" ? Number.POSITIVE_INFINITY : Number(word);
}
