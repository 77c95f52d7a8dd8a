/** What is said of a running mount. Works on what was read; asks nobody. */
import { lockedBytesNeeded } from "../daemon/session/exchange.js";
import type { Liveness } from "../linux/mount/liveness.js";
import type { ProcessState } from "../linux/proc/taskState.js";
import { quote } from "../mounts/paths.js";
import type { MountStatus } from "../mounts/status.js";
import { type Check, ok, problem, UNIT_CURE, warning } from "./finding.js";
import { mib } from "./machineChecks.js";

export interface LoopReading {
  readonly path: string;
  readonly directIo: boolean;
  readonly sectorBytes: number;
}

export interface MountReading {
  readonly status: MountStatus;
  readonly life: Liveness;
  /** null when it is gone. */
  readonly holder: ProcessState | null;
  readonly server: ProcessState | null;
  readonly loops: readonly LoopReading[];
  /** Where else it is mounted, and what lies over it; one clause each. */
  readonly otherPlaces: readonly string[];
  /** Swap areas on its loop devices, or in file systems on them. */
  readonly swapOnIt: readonly string[];
  /** The log or the state directory, where it lies on this very disk. */
  readonly stateOnIt: string | null;
}

const BLOCK_BYTES = 4096;
const PROTECTED_OOM_SCORE = -1000;
/** More of its files than this in use, and a process is near its limit. */
const MOST_OF_LIMIT = 0.8;

export function checkMount(reading: MountReading): Check[] {
  const checks = [
    // There is no mount of one that was given up, or a dead one: that is what it means.
    ...((reading.status.givenUp ?? null) === null ? [checkLife(reading)] : []),
    checkServer(reading),
    checkOtherPlaces(reading),
    ...checkDamage(reading.status),
    ...checkProcesses(reading),
    ...reading.loops.map(checkLoop),
    checkOwnSwap(reading),
    checkOwnLog(reading),
  ];
  return checks.map((check) => ({ ...check, mountpoint: reading.status.mountpoint }));
}

function checkLife({ life, status }: MountReading): Check {
  const place = quote(status.mountpoint);
  if (life === "alive") return ok("answers", `${status.file} answers`);
  if (life === "dead") return problem("answers", "the mount is dead", `kmemfs recover ${place}`);
  if (life === "silent") return problem("answers", "no answer within 3 s", `kmemfs unmount --force ${place}`);
  return warning("answers", "this user has no access to it", `sudo kmemfs doctor ${place}`);
}

function checkServer({ status, server }: MountReading): Check {
  const { serverPid, restarts, lastDeath, givenUp } = status;
  if ((givenUp ?? null) !== null) {
    const cure = `kmemfs recover --up ${quote(status.mountpoint)}, or kmemfs down to discard it`;
    return problem("server", `given up because ${givenUp}; the pool is kept`, cure);
  }
  if (serverPid === null || server === null) {
    const why = lastDeath === null ? "" : `: the last one ${lastDeath}`;
    return problem("server", `no server is running${why}`, "see the log; kmemfs down ends the mount");
  }
  const found = `pid ${serverPid}, ${server.ioFlusher.length} threads, ${status.io}`;
  if (restarts === 0) return ok("server", found);
  return warning(
    "server",
    `${found}; restarts: ${restarts}; the last server ${lastDeath ?? "died for an unknown reason"}`,
    "see the log for the reason",
  );
}

function checkOtherPlaces({ otherPlaces }: MountReading): Check {
  if (otherPlaces.length === 0) return ok("places", "it is mounted in one place, with nothing over it");
  return warning("places", `${otherPlaces.join("; ")}: it cannot be unmounted before that`, "unmount these");
}

function checkDamage({ damage, pool, refused }: MountStatus): Check[] {
  const checks: Check[] = [];
  if (damage !== null) {
    const cure = pool.path === null ? "copy the data to another disk" : `kmemfs unmount, kmemfs check ${pool.path}`;
    checks.push(problem("damage", `the pool is damaged: ${damage}`, cure));
  }
  if (pool.kind === "devdax") {
    const isMissing = refused.some((one) => one.startsWith("PMEM:"));
    checks.push(
      isMissing
        ? warning("libpmem", "no libpmem.so.1: flushed data may be lost in a power cut", "apt-get install libpmem1")
        : ok("libpmem", "flushed data survives a power cut"),
    );
  }
  // These have a check of their own.
  const others = refused.filter((one) => !/^(IO_FLUSHER|OOM_SCORE_ADJ|PMEM|MLOCK)\b/.test(one));
  if (others.length > 0)
    checks.push(warning("refused", `not available here: ${others.join("; ")}`, "docs/operations.md"));
  return checks;
}

function checkProcesses({ holder, server }: MountReading): Check[] {
  const processes = [
    ["holder", holder],
    ["server", server],
  ].filter((pair): pair is [string, ProcessState] => pair[1] !== null);
  return [
    ...processes.map(([role, state]) => checkIoFlusher(role, state)),
    ...processes.map(([role, state]) => checkOomScore(role, state)),
    ...processes.map(([role, state]) => checkOpenFiles(role, state)),
    ...(server === null ? [] : [checkLocked(server)]),
  ];
}

function checkIoFlusher(role: string, { ioFlusher }: ProcessState): Check {
  const name = `io-flusher-${role}`;
  const set = ioFlusher.filter((is) => is).length;
  if (set === ioFlusher.length) return ok(name, `all ${set} threads are IO_FLUSHER`);
  const found = `${ioFlusher.length - set} of ${ioFlusher.length} threads are not IO_FLUSHER: the disk may stall when memory is very low`;
  return warning(name, found, UNIT_CURE);
}

function checkOomScore(role: string, { oomScoreAdj }: ProcessState): Check {
  const name = `oom-${role}`;
  const found = `oom_score_adj is ${oomScoreAdj}`;
  if (oomScoreAdj <= PROTECTED_OOM_SCORE) return ok(name, found);
  return warning(name, `${found}: the OOM killer may kill it`, UNIT_CURE);
}

function checkOpenFiles(role: string, { openFiles, limits }: ProcessState): Check {
  const name = `nofile-${role}`;
  const most = limits?.openFiles.soft ?? Number.POSITIVE_INFINITY;
  const found = `${openFiles} files are open (limit: ${most === Number.POSITIVE_INFINITY ? "none" : most})`;
  if (openFiles <= most * MOST_OF_LIMIT) return ok(name, found);
  return warning(name, found, "ulimit -n, or LimitNOFILE=, and mount again");
}

function checkLocked({ lockedBytes, channels, limits }: ProcessState): Check {
  // Of the main thread: others are there when they are needed.
  const needed = lockedBytesNeeded(1);
  const soft = limits?.memlockBytes.soft ?? Number.POSITIVE_INFINITY;
  const found = `${mib(lockedBytes)} locked, the buffers need ${mib(needed)}, the limit is ${mib(soft)}`;
  if (channels === 0)
    return ok("locked", `${mib(lockedBytes)} locked; only root or its user can see how much it needs`);
  if (lockedBytes >= needed) return ok("locked", found);
  return warning("locked", found, "ulimit -l unlimited, or LimitMEMLOCK=, and mount again");
}

function checkLoop({ path, directIo, sectorBytes }: LoopReading): Check {
  const found = `${path}: ${directIo ? "direct I/O" : "buffered"}, sectors of ${sectorBytes} bytes`;
  if (!directIo) return warning("loop-device", `${found}: data is cached twice`, `losetup --direct-io=on ${path}`);
  if (sectorBytes >= BLOCK_BYTES) return ok("loop-device", found);
  const cure = `losetup -d ${path}, then losetup --sector-size ${BLOCK_BYTES}`;
  return warning("loop-device", `${found}: a write smaller than a page has to read it first`, cure);
}

function checkOwnSwap({ swapOnIt }: MountReading): Check {
  if (swapOnIt.length === 0) return ok("own-swap", "no swap is on it");
  const found = `${swapOnIt.join(", ")} is on it: swapping a page out would itself need memory`;
  return problem("own-swap", found, `swapoff ${swapOnIt.join(" ")}`);
}

function checkOwnLog({ stateOnIt }: MountReading): Check {
  if (stateOnIt === null) return ok("own-log", "the log and the control socket are elsewhere");
  const found = `${stateOnIt} is on it: a disk that waits for its own log hangs`;
  return problem("own-log", found, "set XDG_RUNTIME_DIR to another place, and mount again");
}
