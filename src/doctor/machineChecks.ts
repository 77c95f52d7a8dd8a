/** Checks the machine, using only data already read. */
import { MIB } from "../base/units.js";
import { lockedBytesNeeded } from "../daemon/session/exchange.js";
import { kernelLacks } from "../linux/proc/kernelLacks.js";
import { CAP_IPC_LOCK, CAP_SYS_ADMIN, CAP_SYS_RESOURCE, hasCapability, type Limits } from "../linux/proc/taskState.js";
import { type Check, ok, problem, UNIT_CURE, warning } from "./finding.js";

export interface MachineReading {
  readonly isRoot: boolean;
  /** As uname -r. */
  readonly release: string;
  /** What opening /dev/fuse gave: null for success, else the errno's name. */
  readonly fuseError: string | null;
  readonly loopControlError: string | null;
  readonly loops: {
    readonly attached: number;
    /** Not attached, and with a device node. */
    readonly free: number;
    /** Known to the kernel, but without a device node. */
    readonly withoutNode: number;
  };
  /** null where there is none. */
  readonly fusermount: { readonly isSetuid: boolean } | null;
  /** /proc/self/status */
  readonly status: string;
  readonly limits: Limits | null;
  readonly cpus: number;
  readonly swapAreas: readonly string[];
  /** Values of sysctls by name; absent ones are not in it. */
  readonly sysctls: ReadonlyMap<string, number>;
}

/** Below this a mount with many workers does not have its files. */
const LEAST_OPEN_FILES = 256;
/** vm.max_map_count as the kernel has it. */
const DEFAULT_MAPS = 65530;
const DEFAULT_SWAPPINESS = 60;
/** What FUSE requests have at most, and what the kernel allows by itself. */
const WANTED_PAGES = 256;

export function checkMachine(reading: MachineReading): Check[] {
  return [
    checkKernel(reading.release),
    checkFuse(reading),
    checkFusermount(reading),
    checkLoop(reading),
    checkAdmin(reading),
    checkResource(reading),
    checkMemlock(reading),
    checkOpenFiles(reading),
    checkOvercommit(reading),
    checkSwap(reading),
    checkMaps(reading),
    checkRequestSize(reading),
    checkRequestTime(reading),
  ];
}

export function checkKernel(release: string): Check {
  const lacks = kernelLacks(release);
  if (lacks === null)
    return problem("kernel", `${release}: its FUSE is too old`, "Linux 4.20 or newer, 6.9 for all features");
  if (lacks.length === 0) return ok("kernel", `${release} has everything that kmemfs uses`);
  return warning("kernel", `${release} lacks ${lacks.join("; ")}`, "Linux 6.9 or newer");
}

function checkFuse({ fuseError }: MachineReading): Check {
  if (fuseError === null) return ok("fuse", "/dev/fuse can be opened");
  const missing = fuseError === "ENOENT" || fuseError === "ENODEV" || fuseError === "ENXIO";
  const cure = missing
    ? "modprobe fuse; in a container: docker run --device /dev/fuse"
    : "as root: chmod 666 /dev/fuse; in a container: docker run --device /dev/fuse";
  return problem("fuse", `/dev/fuse cannot be opened (${fuseError})`, cure);
}

function checkFusermount({ isRoot, fusermount }: MachineReading): Check {
  if (isRoot) return ok("fusermount3", `${fusermount === null ? "not installed, and " : ""}not needed as root`);
  if (fusermount === null) return problem("fusermount3", "not installed: users cannot mount", "apt-get install fuse3");
  if (fusermount.isSetuid) return ok("fusermount3", "installed and set-uid");
  return problem("fusermount3", "not set-uid: users cannot mount", "chmod u+s on it, or reinstall fuse3");
}

function checkLoop({ isRoot, loopControlError, loops }: MachineReading): Check {
  const counts = `${loops.attached} in use, ${loops.free} free`;
  if (loopControlError === "ENOENT") {
    const cure = "modprobe loop; in a container: docker run --privileged, or --device /dev/loop-control";
    return warning("loop", "no /dev/loop-control: no loop devices, only the file", cure);
  }
  if (!isRoot) return ok("loop", `${counts}; attaching them needs root`);
  if (loopControlError !== null) {
    const cure = "in a container: docker run --device /dev/loop-control and the /dev/loopN";
    return warning("loop", `/dev/loop-control cannot be opened (${loopControlError})`, cure);
  }
  if (loops.free === 0 && loops.withoutNode > 0) {
    const cure = "mknod /dev/loopN b 7 N for the next N, or losetup -D to detach all that are not in use";
    return warning("loop", `${counts}, ${loops.withoutNode} without a device node`, cure);
  }
  // The kernel makes more when asked for one; max_loop is only how many it begins with.
  return ok("loop", `${counts}; the kernel adds more when needed`);
}

function checkAdmin({ isRoot, status }: MachineReading): Check {
  const name = "sys-admin";
  if (hasCapability(status, CAP_SYS_ADMIN)) return ok(name, "CAP_SYS_ADMIN: mounts, loop devices and direct mode");
  if (isRoot) return problem(name, "no CAP_SYS_ADMIN: root cannot mount here", "docker run --cap-add SYS_ADMIN");
  return ok(name, "no CAP_SYS_ADMIN, as a user: mounts through fusermount3, in served mode, without loop devices");
}

function checkResource({ status }: MachineReading): Check {
  const name = "sys-resource";
  if (hasCapability(status, CAP_SYS_RESOURCE))
    return ok(name, "CAP_SYS_RESOURCE: IO_FLUSHER and oom_score_adj can be set");
  return warning(name, "no CAP_SYS_RESOURCE: neither IO_FLUSHER nor oom_score_adj can be set", UNIT_CURE);
}

function checkMemlock({ limits, cpus, status }: MachineReading): Check {
  if (hasCapability(status, CAP_IPC_LOCK)) return ok("memlock", "CAP_IPC_LOCK: no limit on locked memory applies");
  if (limits === null) return warning("memlock", "the limits of this shell cannot be read", "mount /proc");
  const needed = lockedBytesNeeded(cpus + 2);
  const { soft } = limits.memlockBytes;
  const found = `${mib(soft)} may be locked; a mount's buffers need ${mib(needed)}`;
  return soft >= needed ? ok("memlock", found) : warning("memlock", found, "ulimit -l unlimited, or LimitMEMLOCK=");
}

function checkOpenFiles({ limits }: MachineReading): Check {
  const soft = limits?.openFiles.soft ?? Number.POSITIVE_INFINITY;
  const found = `${soft === Number.POSITIVE_INFINITY ? "any number of" : soft} files may be open`;
  return soft >= LEAST_OPEN_FILES ? ok("nofile", found) : warning("nofile", found, `ulimit -n ${LEAST_OPEN_FILES * 4}`);
}

/** The cure of a sysctl. */
function set(name: string, value: number): string {
  return `sysctl -w ${name}=${value}`;
}

function checkOvercommit({ sysctls }: MachineReading): Check {
  const overcommit = sysctls.get("vm.overcommit_memory");
  if (overcommit !== 2) return ok("overcommit", `vm.overcommit_memory is ${overcommit ?? "not readable"}`);
  const found = "vm.overcommit_memory is 2: reserved memory counts too, and Node reserves a lot";
  return warning("overcommit", found, set("vm.overcommit_memory", 0));
}

function checkSwap({ sysctls, swapAreas }: MachineReading): Check {
  if (swapAreas.length === 0) return ok("swap", "no swap: a pool in memory stays in memory");
  const swappiness = sysctls.get("vm.swappiness") ?? DEFAULT_SWAPPINESS;
  const found = `${swapAreas.join(", ")}, vm.swappiness ${swappiness}: pools in tmpfs`;
  if (swappiness <= DEFAULT_SWAPPINESS) return ok("swap", `${found} may be swapped out`);
  return warning("swap", `${found} are swapped out early`, set("vm.swappiness", 10));
}

function checkMaps({ sysctls }: MachineReading): Check {
  const maps = sysctls.get("vm.max_map_count") ?? DEFAULT_MAPS;
  const found = `vm.max_map_count is ${maps}`;
  if (maps >= DEFAULT_MAPS) return ok("maps", found);
  return warning("maps", `${found}, less than the kernel's default`, set("vm.max_map_count", DEFAULT_MAPS));
}

function checkRequestSize({ sysctls }: MachineReading): Check {
  const name = "fs.fuse.max_pages_limit";
  const pages = sysctls.get(name) ?? WANTED_PAGES;
  if (pages >= WANTED_PAGES) return ok("request-size", `a request has up to ${WANTED_PAGES} pages`);
  const found = `${name} is ${pages}: requests are smaller than they could be`;
  return warning("request-size", found, set(name, WANTED_PAGES));
}

function checkRequestTime({ sysctls }: MachineReading): Check {
  const limits = ["fs.fuse.max_request_timeout", "fs.fuse.default_request_timeout"];
  const bounding = limits.find((name) => (sysctls.get(name) ?? 0) > 0);
  if (bounding === undefined) return ok("request-time", "the kernel sets no time limit on requests");
  const found = `${bounding} is ${sysctls.get(bounding)}: the kernel ends a mount whose flush takes longer (seconds)`;
  return warning("request-time", found, set(bounding, 0));
}

/** For people. */
export function mib(bytes: number): string {
  return bytes === Number.POSITIVE_INFINITY ? "any amount" : `${(bytes / MIB).toFixed(1)} MiB`;
}
