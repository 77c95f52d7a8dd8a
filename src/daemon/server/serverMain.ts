/**
 * The server: answers FUSE requests. Everything it needs is in its inherited
 * fds, so that a server is disposable. It talks to the holder by lines of JSON
 * on stdout and never logs, mounts or forks.
 */
import { statSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { assert } from "../../base/assert.js";
import { ENODEV, errnoName } from "../../base/errno.js";
import { errorBody, MediaError, UserError } from "../../base/errors.js";
import { PAGE_BYTES } from "../../base/units.js";
import { resendRequests } from "../../linux/fuse/fuseDevice.js";
import { type MemoryMapping, mapBacking } from "../../linux/memory/mapping.js";
import { attachMemory } from "../../linux/memory/memory.js";
import { attachFaults, installSigbusGuard } from "../../linux/memory/sigbusGuard.js";
import { threadId } from "../../linux/proc/threads.js";
import { prepareIoProcess } from "../../linux/process/ioProcess.js";
import { mapShared } from "../../linux/process/sharedMemory.js";
import { allocateShared, CONTROL } from "../../pool/sharedState.js";
import { DIRECT_WORKERS } from "../session/exchange.js";
import { Heartbeat } from "../session/heartbeats.js";
import { SESSION_MEMORY_FD, STANDBY } from "../session/serverProtocol.js";
import { readConfig, SESSION_BYTES, type ServerConfig, viewSession } from "../session/sessionMemory.js";
import { type OpenedForIo, openForIo, requireGeometry } from "./openForIo.js";
import { die, reportToHolder } from "./serverEnd.js";
import type { WorkerInput } from "./worker.js";

type CommonInput = Omit<WorkerInput, "thread" | "channelFd" | "backingId" | "gate">;

const WORKER = new URL("./worker.js", import.meta.url);
/** The modification time of the running program. */
const LOADED_MS = statSync(WORKER).mtimeMs;

async function main(): Promise<void> {
  process.on("uncaughtException", die);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
  const { refused } = prepareIoProcess();
  const sessionView = mapShared(SESSION_MEMORY_FD, SESSION_BYTES);
  const config = readConfig(sessionView.bytes);
  const { geometry } = config;
  const mapping = mapBacking(config.backing, geometry.firstDataPage);
  const faultsAddress = guardPool(mapping, refused);
  const faults = faultsAddress === 0 ? null : attachFaults(faultsAddress);
  const memory = attachMemory(mapping);
  const shared = allocateShared(geometry, memory.grainPages);
  shared.control[CONTROL.lostGrain] = Math.max(memory.grainPages, config.backing.mapAlignBytes / PAGE_BYTES);
  const common = {
    mapping,
    geometry,
    shared,
    sessionAddress: sessionView.address,
    readOnly: config.readOnly,
    atomicWrites: config.atomicWrites,
    faultsAddress,
  };
  // A session that goes on keeps its way, so that threads can come up while the pool is looked at: one, so that
  // whoever waits is served before the others are there. Who stands by has all of them, as it may have to serve
  // when there is no program any more to load them from.
  const standsBy = process.argv[2] === STANDBY;
  const early = config.isRestart
    ? startWorkers(config, config.direct !== null, common, 0, standsBy ? undefined : 1)
    : null;
  if (standsBy) {
    // A pool that cannot be served is refused while the server before this one still serves it.
    requireGeometry(config);
    await early?.ready;
    reportToHolder({ kind: "standby" });
    await goAhead();
  }
  const session = viewSession(sessionView.bytes);
  const way = openForIo({ config, mapping, memory, geometry, shared, session, faults }, requireGeometry(config));
  const { io, ioReason, wasUnclean, housekeeping } = way;
  const isDirect = io === "direct";
  assert(early === null || isDirect === (config.direct !== null), "a resumed session changed its I/O mode");
  const first = early ?? startWorkers(config, isDirect, common);
  if (!(await first.ready)) refused.push("MLOCK: buffers may be swapped out (ulimit -l)");
  resend(config);
  first.serve();
  reportToHolder({ kind: "ready", refused, io, ioReason, wasUnclean });
  const others = early === null || standsBy ? null : startWorkers(config, isDirect, common, 1);
  others?.serve();
  const beat = new Heartbeat(session.heartbeatWords, 0);
  beat.attach(threadId());
  const timer = setInterval(() => {
    beat.begin();
    housekeeping.run();
    beat.end();
  }, housekeeping.periodMs);
  await Promise.all([first.ended, others?.ended]);
  clearInterval(timer);
  beat.close();
  process.exit(closeInOrder(way, config.readOnly) ? 0 : 1);
}

/**
 * The session has ended. Another server must not try again: the kernel reports a failed write-back only
 * once, so that a second close could mark the pool clean.
 */
function closeInOrder(way: OpenedForIo, readOnly: boolean): boolean {
  try {
    if (!readOnly) way.close();
    reportToHolder({ kind: "closed" });
    return true;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    reportToHolder({ kind: "unclosed", message: error.message });
    return false;
  }
}

/** Waits until the holder says that the server before this one is gone; ends when the holder itself is. */
async function goAhead(): Promise<void> {
  await new Promise<void>((resolve) => {
    process.stdin.once("data", () => resolve());
    process.stdin.once("end", () => process.exit(0));
  });
  process.stdin.destroy();
}

/** Has the kernel resend what the previous server did not answer, before any thread reads. */
function resend({ channelFds, isRestart }: ServerConfig): void {
  const errno = resendRequests(channelFds[0]);
  // ENODEV: the session has ended, and no caller waits.
  if (isRestart && errno !== 0 && errno !== ENODEV) {
    throw new UserError("the kernel", "does not resend unanswered requests", { code: errnoName(errno) });
  }
}

/**
 * Guards the pool's memory before anything touches it; what the machine refuses is added to `refused`.
 * @returns the address for `attachFaults`; 0 where there is no guard
 */
function guardPool(mapping: MemoryMapping, refused: string[]): number {
  const { baseAddress, lengthBytes, backing: config } = mapping;
  try {
    const guard = installSigbusGuard();
    guard?.guard(baseAddress, lengthBytes, Math.max(config.grainPages * PAGE_BYTES, config.mapAlignBytes));
    if (guard === null) refused.push(`SIGBUS_GUARD: not available on ${process.arch}`);
    return guard?.address ?? 0;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    refused.push(`SIGBUS_GUARD: ${error.options.code ?? error.reason}`);
    return 0;
  }
}

interface Workers {
  /** Resolves when all threads could serve: true when their buffers are locked. */
  readonly ready: Promise<boolean>;
  /** Has them begin. */
  serve(): void;
  /** Resolves when all have ended. */
  readonly ended: Promise<unknown>;
}

/** @param from number `from` up to `to` of the threads that this way has */
function startWorkers(config: ServerConfig, isDirect: boolean, common: CommonInput, from = 0, to?: number): Workers {
  // A thread of another version would not understand what we share. (One that is gone cannot be started either.)
  const writtenMs = statSync(WORKER, { throwIfNoEntry: false })?.mtimeMs ?? LOADED_MS;
  assert(writtenMs === LOADED_MS, "the program was replaced while it ran; use kmemfs restart after an upgrade");
  const backingId = isDirect ? (config.direct?.backingId ?? 0) : 0;
  const channelFds = isDirect ? config.channelFds.slice(0, DIRECT_WORKERS) : config.channelFds;
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const started = channelFds.slice(from, to).map((channelFd, i) => {
    const workerInput: WorkerInput = { ...common, backingId, channelFd, thread: from + i + 1, gate };
    const worker = new Worker(WORKER, {
      workerData: workerInput,
      resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 },
    });
    worker.on("error", die);
    return {
      ready: new Promise<{ isLocked: boolean }>((resolve) => worker.once("message", resolve)),
      ended: new Promise((resolve) => worker.once("exit", resolve)),
    };
  });
  return {
    ready: Promise.all(started.map((worker) => worker.ready)).then((all) => all.every(({ isLocked }) => isLocked)),
    serve: () => {
      Atomics.store(gate, 0, 1);
      Atomics.notify(gate, 0);
    },
    ended: Promise.all(started.map((worker) => worker.ended)),
  };
}

main().catch((error: unknown) => {
  if (!(error instanceof UserError || error instanceof MediaError)) die(error);
  const refusal = error instanceof UserError ? error : new UserError("pool", error.message);
  reportToHolder({ kind: "refused", error: errorBody(refusal) });
  process.exit(1);
});
