/**
 * What kmemfs leaves on the machine: mounts, loop devices, processes.
 * A test takes a snapshot, does its work, and compares; what appeared since and
 * bears this run's mark is freed by `freeOurs`, even when its server is stuck or dead.
 * Nothing here touches a mount: all is read from /proc, and every command has a time limit.
 */
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { run, until } from "./processes.js";
import { projectRoot, RUN_MARK, runMark, TEMPORARY_PREFIX } from "./project.js";

export interface Mount {
  readonly mountpoint: string;
  readonly type: string;
  readonly source: string;
  /** The minor number of the file system's device: the name under /sys/fs/fuse/connections. */
  readonly minor: number;
}

export interface LoopDevice {
  readonly path: string;
  readonly backingFile: string;
}

export interface Process {
  readonly pid: number;
  /** Start time in clock ticks: a pid used again is another process. */
  readonly startTicks: string;
  readonly command: string;
  /** The mark of the test run that started it, or empty. */
  readonly mark: string;
}

export interface Machine {
  /** kmemfs mounts, and file systems on loop devices. */
  readonly mounts: readonly Mount[];
  readonly loopDevices: readonly LoopDevice[];
  /** Processes that run this checkout's bin/, dist/ or dist-trial/. */
  readonly processes: readonly Process[];
}

const KMEMFS_TYPE = "fuse.kmemfs";

/** Decodes the octal escapes of /proc/self/mountinfo. */
function decoded(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_all, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

function mounts(): Mount[] {
  const found: Mount[] = [];
  for (const line of readFileSync("/proc/self/mountinfo", "utf8").trim().split("\n")) {
    const [left = "", right = ""] = line.split(" - ");
    const [, , device = "", , mountpoint = ""] = left.split(" ");
    const [type = "", source = ""] = right.split(" ");
    if (type !== KMEMFS_TYPE && !source.startsWith("/dev/loop")) continue;
    found.push({ mountpoint: decoded(mountpoint), type, source: decoded(source), minor: Number(device.split(":")[1]) });
  }
  return found;
}

/** From sysfs and not losetup, which opens the devices and may wait for a dead server. */
function loopDevices(): LoopDevice[] {
  if (!existsSync("/sys/block")) return [];
  return readdirSync("/sys/block")
    .filter((name) => name.startsWith("loop") && existsSync(`/sys/block/${name}/loop/backing_file`))
    .map((name) => ({ path: `/dev/${name}`, backingFile: readOr(`/sys/block/${name}/loop/backing_file`).trim() }));
}

/** The text of a file of /proc or /sys, or nothing when it is gone or not for us. */
function readOr(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function workingDirectory(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return "/";
  }
}

function isProgram(argument: string, pid: number): boolean {
  if (!/(^|\/)(bin\/kmemfs\.js|dist(-trial)?\/.*\.c?js)$/.test(argument)) return false;
  const path = resolve(workingDirectory(pid), argument);
  return ["bin/kmemfs.js", "dist/", "dist-trial/"].some((one) => path.startsWith(`${projectRoot}/${one}`));
}

function processOf(pid: number): Process | undefined {
  const words = readOr(`/proc/${pid}/cmdline`).split("\0").filter(Boolean);
  // A process may rename itself, to `kmemfs: server` for example.
  const isOurs = words[0]?.startsWith("kmemfs") || words.some((word) => isProgram(word, pid));
  if (!isOurs) return undefined;
  const afterName = readOr(`/proc/${pid}/stat`).split(") ").pop()?.split(" ") ?? [];
  if (afterName[0] === undefined || afterName[0] === "Z" || afterName[0] === "") return undefined;
  const variable = readOr(`/proc/${pid}/environ`)
    .split("\0")
    .find((entry) => entry.startsWith(`${RUN_MARK}=`));
  return {
    pid,
    startTicks: afterName[19] ?? "",
    command: words.join(" "),
    mark: variable?.slice(RUN_MARK.length + 1) ?? "",
  };
}

function processes(): Process[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map((name) => processOf(Number(name)))
    .filter((found) => found !== undefined);
}

/** The state of the machine now. */
export function snapshot(): Machine {
  return { mounts: mounts(), loopDevices: loopDevices(), processes: processes() };
}

/** What is in `after` and not in `before`, without what bears another run's mark. */
export function appeared(before: Machine, after: Machine = snapshot()): Machine {
  const news = <T>(now: readonly T[], then: readonly T[], key: (one: T) => string, mark: (one: T) => string): T[] => {
    const known = new Set(then.map(key));
    return now.filter((one) => !known.has(key(one)) && (mark(one) === "" || mark(one) === runMark));
  };
  return {
    mounts: news(after.mounts, before.mounts, (one) => `${one.mountpoint} ${one.minor}`, markOfMount(after)),
    loopDevices: news(after.loopDevices, before.loopDevices, loopKey, (one) => markInPath(one.backingFile)),
    processes: news(after.processes, before.processes, processKey, (one) => one.mark),
  };
}

const loopKey = (one: LoopDevice): string => `${one.path} ${one.backingFile}`;
const processKey = (one: Process): string => `${one.pid} ${one.startTicks}`;

/** The mark in the name of a temporary directory of the tests, or empty. */
function markInPath(path: string): string {
  return new RegExp(`/${TEMPORARY_PREFIX}([0-9a-z]+)-`).exec(path)?.[1] ?? "";
}

/** A mount bears the mark of its directory, or of the file behind its loop device. */
function markOfMount(machine: Machine): (mount: Mount) => string {
  return (mount) => {
    const loop = machine.loopDevices.find((device) => device.path === mount.source);
    return markInPath(mount.mountpoint) || markInPath(loop?.backingFile ?? "");
  };
}

/** One line for each thing, for a message; empty when there is nothing. */
export function described(machine: Machine): string[] {
  return [
    ...machine.mounts.map((one) => `mount ${one.mountpoint} (${one.type} on ${one.source})`),
    ...machine.loopDevices.map((one) => `loop device ${one.path} (${one.backingFile})`),
    ...machine.processes.map((one) => `process ${one.pid} (${one.command})`),
  ];
}

/** The part of `machine` that bears this run's mark. */
function oursIn(machine: Machine): Machine {
  const markOf = markOfMount(machine);
  return {
    mounts: machine.mounts.filter((one) => markOf(one) === runMark),
    loopDevices: machine.loopDevices.filter((one) => markInPath(one.backingFile) === runMark),
    processes: machine.processes.filter((one) => one.mark === runMark),
  };
}

function signalAll(targets: readonly Process[], signal: NodeJS.Signals): void {
  for (const target of targets) {
    if (processOf(target.pid)?.startTicks !== target.startTicks) continue;
    try {
      process.kill(target.pid, signal);
    } catch {
      // Gone in the meantime.
    }
  }
}

/** Ends a FUSE session in the kernel: whatever waits for its server gets an error and goes on. */
export function abortConnection(minor: number): void {
  const path = `/sys/fs/fuse/connections/${minor}/abort`;
  if (!existsSync(path)) return;
  const fd = openSync(path, "w");
  try {
    writeFileSync(fd, "1");
  } finally {
    closeSync(fd);
  }
}

/**
 * Ends what appeared since `before` and bears this run's mark, in the order
 * that can hang least: file systems, loop devices, kmemfs mounts, processes;
 * then the same by force.
 * @returns what was found and freed, one line each; empty after a test that cleaned up
 */
export async function freeOurs(before: Machine): Promise<string[]> {
  const found = oursIn(appeared(before));
  const lines = described(found);
  if (lines.length === 0) return [];
  const tolerant = { timeoutMs: 30_000, allowFail: true } as const;
  const attempt = (command: string, args: string[]): Promise<unknown> =>
    run(command, args, tolerant).catch(() => undefined);
  const kmemfsMounts = found.mounts.filter((one) => one.type === KMEMFS_TYPE);
  for (const one of found.mounts.filter((mount) => mount.type !== KMEMFS_TYPE).reverse()) {
    await attempt("umount", ["-l", one.mountpoint]);
  }
  for (const one of found.loopDevices) await attempt("losetup", ["-d", one.path]);
  for (const one of [...kmemfsMounts].reverse()) await attempt("umount", ["-l", one.mountpoint]);
  signalAll(found.processes, "SIGTERM");
  const isFree = (): boolean => described(oursIn(appeared(before))).length === 0;
  await until(isFree, 10_000, "a polite end").catch(() => undefined);
  if (isFree()) return lines;
  for (const one of kmemfsMounts) abortConnection(one.minor);
  signalAll(found.processes, "SIGKILL");
  await until(isFree, 60_000, `the end of\n  ${lines.join("\n  ")}`);
  return lines;
}
