/** Which processes have the same file open as this one, and whether a process has ended with all its threads. */
import { UserError } from "../../base/errors.js";
import { isAlive } from "./proc.js";
import { numberOf, processIds, readNames, readText } from "./procFile.js";

/**
 * Processes other than this one that have the file of `fd` open. Nothing is
 * asked of the files: a stat through /proc/PID/fd would hang on a stuck mount.
 * @throws UserError EOPNOTSUPP where that cannot be told: "nobody" would be a wrong answer
 */
export function openedBy(fd: number): number[] {
  const file = fileOf(`/proc/self/fdinfo/${fd}`);
  if (file === null) {
    const reason = "the kernel does not report which processes have a file open (Linux 5.14 does)";
    throw new UserError("/proc/self/fdinfo", reason, { code: "EOPNOTSUPP" });
  }
  return processIds()
    .filter((pid) => pid !== process.pid)
    .filter((pid) => fdinfoDirectories(pid).some((directory) => hasFile(directory, file)));
}

/** False as long as a thread is left, also when the first, by which a process is known, has ended. */
export function isGone(pid: number): boolean {
  return !isAlive(pid) && readNames(`/proc/${pid}/task`).length <= 1;
}

/** The arguments of the command line; empty for a process that is ending. */
export function commandLine(pid: number): string[] {
  return (readText(`/proc/${pid}/cmdline`) ?? "").split("\0").filter((word) => word !== "");
}

/** The threads of a process share its fds; when the first has ended another one shows them. */
function fdinfoDirectories(pid: number): string[] {
  if (isAlive(pid)) return [`/proc/${pid}/fdinfo`];
  return readNames(`/proc/${pid}/task`).map((tid) => `/proc/${pid}/task/${tid}/fdinfo`);
}

function hasFile(directory: string, file: string): boolean {
  return readNames(directory).some((fd) => fileOf(`${directory}/${fd}`) === file);
}

/** Mount and inode (proc_pid_fdinfo(5); the inode since Linux 5.14). */
function fileOf(fdinfoPath: string): string | null {
  const text = readText(fdinfoPath);
  const [mount, inode] = [numberOf("mnt_id", text), numberOf("ino", text)];
  return Number.isNaN(mount + inode) ? null : `${mount}:${inode}`;
}
