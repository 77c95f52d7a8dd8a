/** The process that holds a flock(2), from /proc/locks and fdinfo (proc_locks(5)). */
import { fstatSync, readdirSync, readFileSync } from "node:fs";
import { hasEnded, isAlive } from "./proc.js";
import { deviceNumbers, hexDevice, processIds, readText } from "./procFile.js";

/** Pid of a process that has the flock on the file of `fd`; null when /proc does not tell. */
export function lockOwner(fd: number): number | null {
  const key = lockKey(fd);
  const pid = parseLocks(readFileSync("/proc/locks", "latin1"), key);
  // The process that called flock may have let go, or be gone and its number another's by now, while
  // a child has the fd; fdinfo shows who has it.
  return pid !== null && isAlive(pid) && showsLock(pid, key) !== false ? pid : findInFdinfo(key);
}

/**
 * True when whoever has the flock on the file of `fd` is a process whose program has ended, and
 * that the kernel cannot clear away: as one whose namespace goes with it, and with a disk of its own in that.
 */
export function lockOwnerIsEnding(fd: number): boolean {
  const key = lockKey(fd);
  const pid = parseLocks(readFileSync("/proc/locks", "latin1"), key);
  if (pid === null || !hasEnded(pid)) return false;
  const other = findInFdinfo(key);
  return other === null || hasEnded(other);
}

function lockKey(fd: number): string {
  const stat = fstatSync(fd, { bigint: true });
  const { major, minor } = deviceNumbers(Number(stat.dev));
  return `${hexDevice(major, minor)}:${stat.ino}`;
}

/** Pid of the flock on `key` (`MAJ:MIN:INODE`, hexadecimal device) in the text of /proc/locks (proc_locks(5)). */
export function parseLocks(locks: string, key: string): number | null {
  for (const line of locks.split("\n")) {
    const fields = line.trim().split(/\s+/);
    if (fields[1] === "FLOCK" && fields[5] === key && Number(fields[4]) > 0) return Number(fields[4]);
  }
  return null;
}

function findInFdinfo(key: string): number | null {
  return processIds().find((pid) => pid !== process.pid && showsLock(pid, key) === true) ?? null;
}

/** Whether a fd of the process has the lock; null for a process that has ended or is another user's. */
function showsLock(pid: number, key: string): boolean | null {
  const isIt = (line: string): boolean => line.includes(" FLOCK ") && line.includes(` ${key} `);
  try {
    const infos = readdirSync(`/proc/${pid}/fdinfo`).map((fd) => readText(`/proc/${pid}/fdinfo/${fd}`) ?? "");
    return infos.some((info) => info.split("\n").some(isIt));
  } catch {
    return null;
  }
}
