/**
 * Programs that use a DAX device and do not know our lock. kmemfs locks every
 * open file of a device, also in a server that inherits it, and readers share
 * the lock: a process that has the device open without a lock is another program.
 * The files themselves are never accessed.
 */
import { fstatSync } from "node:fs";
import { basename } from "node:path";
import { UserError } from "../../base/errors.js";
import {
  deviceNumbers,
  hexDevice,
  numberOf,
  processIds,
  processName,
  readLink,
  readNames,
  readText,
} from "../proc/procFile.js";
import { O_PATH } from "../syscall/constants.js";

/**
 * Checks the processes that this user can inspect; root sees all.
 * @param fd of the device, locked
 * @throws UserError EBUSY, naming the process
 */
export function refuseOtherUsers(fd: number, path: string): void {
  const { ino, dev } = fstatSync(fd);
  const { major, minor } = deviceNumbers(dev);
  for (const pid of processIds()) {
    if (pid === process.pid) continue;
    const files = filesOn(pid, basename(path), ino);
    const isMapped = (): boolean => mapsFile(readText(`/proc/${pid}/maps`) ?? "", major, minor, ino);
    if (files.length === 0 ? !isMapped() : files.every(isLocked)) continue;
    throw new UserError(path, `in use by process ${pid} (${processName(pid) ?? "unknown"})`, {
      code: "EBUSY",
      cure: "end that process, or use another device",
    });
  }
}

/** The fdinfo of each open file of a process that is the device. */
function filesOn(pid: number, name: string, inode: number): string[] {
  const found: string[] = [];
  for (const fd of readNames(`/proc/${pid}/fd`)) {
    if (basename(readLink(`/proc/${pid}/fd/${fd}`) ?? "") !== name) continue;
    const info = readText(`/proc/${pid}/fdinfo/${fd}`) ?? "";
    // Before Linux 5.14 without an inode: then the name must do.
    const shown = numberOf("ino", info);
    const flags = Number.parseInt(/^flags:\s+(\d+)$/m.exec(info)?.[1] ?? "0", 8);
    if ((Number.isNaN(shown) || shown === inode) && (flags & O_PATH) === 0) found.push(info);
  }
  return found;
}

/** proc_pid_fdinfo(5): the locks of the open file. */
function isLocked(info: string): boolean {
  return /^lock:.* FLOCK /m.test(info);
}

/** True when the text of /proc/PID/maps shows the file; its device numbers are hexadecimal (proc_pid_maps(5)). */
export function mapsFile(maps: string, major: number, minor: number, inode: number): boolean {
  return maps.includes(` ${hexDevice(major, minor)} ${inode} `);
}
