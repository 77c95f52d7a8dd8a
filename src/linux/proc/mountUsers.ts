/**
 * The processes that keep a mount busy: cwd, root, open files, mappings. Uses only
 * readlink and text files of /proc, which do not access the mount; a stat through
 * /proc/PID/fd would hang on a stuck FUSE mount.
 */
import { type MountEntry, mountOfPath, mountOn, mountsOf, readMounts } from "./mounts.js";
import { hexDevice, numberOf, processIds, processName, readLink, readNames, readText } from "./procFile.js";

export interface MountUser {
  readonly pid: number;
  readonly name: string;
  readonly how: "cwd" | "root" | "open file" | "mapping";
  readonly path: string;
}

/**
 * One entry per process and kind of use, for the processes that this user can inspect.
 * @param mount `MAJ:MIN` of the file system, decimal, as in mountinfo; or its mount point
 */
export function usersOfMount(mount: string): MountUser[] {
  const majorMinor = mount.startsWith("/") ? mountOn(mount, readMounts())?.majorMinor : mount;
  if (majorMinor === undefined) return [];
  const holders: MountUser[] = [];
  const namespaces = new Map<string, MountEntry[]>();
  for (const pid of processIds()) {
    const namespace = readLink(`/proc/${pid}/ns/mnt`);
    if (namespace === null) continue;
    const mounts = namespaces.get(namespace) ?? mountsOf(pid);
    namespaces.set(namespace, mounts);
    if (!mounts.some((entry) => entry.majorMinor === majorMinor)) continue;
    const name = processName(pid) ?? "unknown";
    const add = (how: MountUser["how"], path: string | null): void => {
      if (path !== null) holders.push({ pid, name, how, path });
    };
    add("cwd", linkOn(`/proc/${pid}/cwd`, majorMinor, mounts));
    add("root", linkOn(`/proc/${pid}/root`, majorMinor, mounts));
    add("open file", openFileOn(pid, majorMinor, mounts));
    add("mapping", mappingOn(readText(`/proc/${pid}/maps`) ?? "", majorMinor));
  }
  return holders;
}

/**
 * The name of a process of ours that only asks a device which file it is on. Commands about
 * other disks do that at any time: it uses no disk, and is gone in a moment.
 */
export const ASKER_NAME = "kmemfs-ask";

/** Processes that have the device node `devicePath` (`/dev/loop0`) open, but those that only ask it. */
export function usersOfDevice(devicePath: string): MountUser[] {
  const holders: MountUser[] = [];
  for (const pid of processIds()) {
    for (const fd of readNames(`/proc/${pid}/fd`)) {
      if (readLink(`/proc/${pid}/fd/${fd}`) !== devicePath) continue;
      const name = processName(pid) ?? "unknown";
      if (name !== ASKER_NAME) holders.push({ pid, name, how: "open file", path: devicePath });
      break;
    }
  }
  return holders;
}

/** First file of the device in the text of /proc/PID/maps, whose device numbers are hexadecimal (proc_pid_maps(5)). */
export function mappingOn(maps: string, majorMinor: string): string | null {
  const [major, minor] = majorMinor.split(":").map(Number);
  const device = hexDevice(major, minor);
  for (const line of maps.split("\n")) {
    const match = /^\S+ \S+ \S+ (\S+) \d+\s+(.*)$/.exec(line);
    if (match !== null && match[1] === device && match[2] !== "") return match[2];
  }
  return null;
}

function linkOn(link: string, majorMinor: string, mounts: readonly MountEntry[]): string | null {
  const path = readLink(link);
  return path !== null && mountOfPath(path, mounts)?.majorMinor === majorMinor ? path : null;
}

function openFileOn(pid: number, majorMinor: string, mounts: readonly MountEntry[]): string | null {
  for (const fd of readNames(`/proc/${pid}/fdinfo`)) {
    const mountId = numberOf("mnt_id", readText(`/proc/${pid}/fdinfo/${fd}`));
    if (!mounts.some((entry) => entry.mountId === mountId && entry.majorMinor === majorMinor)) continue;
    return readLink(`/proc/${pid}/fd/${fd}`) ?? `fd ${fd}`;
  }
  return null;
}
