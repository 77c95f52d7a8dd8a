/** Reads the data for `checkMachine`. Opens only /dev/fuse, /dev/loop-control and files of /proc and /sys. */
import { accessSync, closeSync, constants, existsSync, openSync, statSync } from "node:fs";
import { availableParallelism, release } from "node:os";
import { join } from "node:path";
import { readLoopDevices, swapAreas } from "../linux/proc/loopDevices.js";
import { readNames, readText } from "../linux/proc/procFile.js";
import { parseLimits } from "../linux/proc/taskState.js";
import type { MachineReading } from "./machineChecks.js";

const SYSCTLS = [
  "vm.overcommit_memory",
  "vm.swappiness",
  "vm.max_map_count",
  "fs.fuse.max_pages_limit",
  "fs.fuse.default_request_timeout",
  "fs.fuse.max_request_timeout",
];
const SETUID = 0o4000;

export function readMachine(): MachineReading {
  return {
    isRoot: process.geteuid?.() === 0,
    release: release(),
    fuseError: openError("/dev/fuse"),
    loopControlError: openError("/dev/loop-control"),
    loops: countLoops(),
    fusermount: findFusermount(),
    status: readText("/proc/self/status") ?? "",
    limits: parseLimits(readText("/proc/self/limits") ?? ""),
    cpus: availableParallelism(),
    swapAreas: swapAreas(),
    sysctls: readSysctls(),
  };
}

/** The errno's name, or null. */
function openError(path: string): string | null {
  try {
    closeSync(openSync(path, constants.O_RDWR));
    return null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "EIO";
  }
}

function countLoops(): MachineReading["loops"] {
  const attached = new Set(readLoopDevices().map((device) => device.path));
  const unused = readNames("/sys/block")
    .filter((name) => /^loop\d+$/.test(name) && !attached.has(`/dev/${name}`))
    .map((name) => existsSync(`/dev/${name}`));
  const free = unused.filter((hasNode) => hasNode).length;
  return { attached: attached.size, free, withoutNode: unused.length - free };
}

function findFusermount(): MachineReading["fusermount"] {
  for (const directory of (process.env.PATH ?? "/usr/bin:/bin").split(":")) {
    const path = join(directory, "fusermount3");
    try {
      accessSync(path, constants.X_OK);
      return { isSetuid: (statSync(path).mode & SETUID) !== 0 };
    } catch {
      // Looked for in the next directory.
    }
  }
  return null;
}

function readSysctls(): Map<string, number> {
  const values = new Map<string, number>();
  for (const name of SYSCTLS) {
    const text = readText(`/proc/sys/${name.replaceAll(".", "/")}`);
    if (text !== null) values.set(name, Number(text));
  }
  return values;
}
