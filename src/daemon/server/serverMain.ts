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
import { readMetadata } from "../../linux/backing/readMetadata.js";
import { resendRequests } from "../../linux/fuse/fuseDevice.js";
import { type MemoryMapping, mapBacking } from "../../linux/memory/mapping.js";
import { attachMemory } from "../../linux/memory/memory.js";
import { attachFaults, installSigbusGuard } from "../../linux/memory/sigbusGuard.js";
import { threadId } from "../../linux/proc/threads.js";
import { prepareIoProcess } from "../../linux/process/ioProcess.js";
import { mapShared } from "../../linux/process/sharedMemory.js";
import { allocateShared, CONTROL } from "../../pool/shared.js";
import { decode, type Superblock } from "../../pool/superblock.js";
import { Beat } from "../session/heartbeats.js";
import { DIRECT_WORKERS } from "../session/lockedMemory.js";
import { SESSION_FD, STANDBY } from "../session/serverProtocol.js";
import { readFacts, SESSION_BYTES, type ServerFacts, viewSession } from "../session/sessionMemory.js";
import { type OpenWay, openWay } from "./openForIo.js";
import { die, tell } from "./serverEnd.js";
import type { WorkerInput } from "./worker.js";

type CommonInput = Omit<WorkerInput, "thread" | "channelFd" | "backingId" | "gate">;

const WORKER = new URL("./worker.js", import.meta.url);
/** When the program that we are was written. */
const LOADED_MS = statSync(WORKER).mtimeMs;

async function main(): Promise<void> {
  process.on("uncaughtException", die);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
  const { refused } = prepareIoProcess();
  const sessionView = mapShared(SESSION_FD, SESSION_BYTES);
  const facts = readFacts(sessionView.bytes);
  const { geometry } = facts;
  const mapping = mapBacking(facts.backing, geometry.firstDataPage);
  const faultsAddress = guardPool(mapping, refused);
  const faults = faultsAddress === 0 ? null : attachFaults(faultsAddress);
  const memory = attachMemory(mapping);
  const shared = allocateShared(geometry, memory.grainPages);
  shared.control[CONTROL.lostGrain] = Math.max(memory.grainPages, facts.backing.mapAlignBytes / PAGE_BYTES);
  const common = {
    mapping,
    geometry,
    shared,
    sessionAddress: sessionView.address,
    readOnly: facts.readOnly,
    atomicWrites: facts.atomicWrites,
    faultsAddress,
  };
  // A session that goes on keeps its way, so that threads can come up while the pool is looked at: one, so that
  // whoever waits is served before the others are there. Who stands by has all of them, as it may have to serve
  // when there is no program any more to load them from.
  const standsBy = process.argv[2] === STANDBY;
  const early = facts.isRestart
    ? startWorkers(facts, facts.direct !== null, common, 0, standsBy ? undefined : 1)
    : null;
  if (standsBy) {
    await early?.ready;
    tell({ kind: "standby" });
    await goAhead();
  }
  const session = viewSession(sessionView.bytes);
  const way = openWay({ facts, mapping, memory, geometry, shared, session, faults }, readSuperblock(facts));
  const { io, ioReason, wasUnclean, housekeeping } = way;
  const isDirect = io === "direct";
  assert(early === null || isDirect === (facts.direct !== null), "a resumed session changed its I/O mode");
  const first = early ?? startWorkers(facts, isDirect, common);
  if (!(await first.ready)) refused.push("MLOCK: buffers may be swapped out (ulimit -l)");
  resend(facts);
  first.serve();
  tell({ kind: "ready", refused, io, ioReason, wasUnclean });
  const others = early === null || standsBy ? null : startWorkers(facts, isDirect, common, 1);
  others?.serve();
  const beat = new Beat(session.beatWords, 0);
  beat.attach(threadId());
  const timer = setInterval(() => {
    beat.begin();
    housekeeping.run();
    beat.end();
  }, housekeeping.periodMs);
  await Promise.all([first.ended, others?.ended]);
  clearInterval(timer);
  beat.close();
  process.exit(closeInOrder(way, facts.readOnly) ? 0 : 1);
}

/**
 * The session is over. Another server must not try again: the kernel tells of pages that it could not
 * write once only, and a second close could call the pool clean.
 */
function closeInOrder(way: OpenWay, readOnly: boolean): boolean {
  try {
    if (!readOnly) way.close();
    tell({ kind: "closed" });
    return true;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    tell({ kind: "unclosed", message: error.message });
    return false;
  }
}

/** As it is now: the server before this one may still change it. */
function readSuperblock({ backing }: ServerFacts): Superblock {
  return decode(readMetadata(backing, 0, PAGE_BYTES), backing.pageCount);
}

/** Waits until the holder says that the server before this one is gone; ends when the holder itself is. */
async function goAhead(): Promise<void> {
  await new Promise<void>((resolve) => {
    process.stdin.once("data", () => resolve());
    process.stdin.once("end", () => process.exit(0));
  });
  process.stdin.destroy();
}

/** Has the kernel ask again what a server before this one did not answer; nobody reads yet. */
function resend({ channelFds, isRestart }: ServerFacts): void {
  const errno = resendRequests(channelFds[0]);
  // ENODEV: the session is over, and there is nobody who waits.
  if (isRestart && errno !== 0 && errno !== ENODEV) {
    throw new UserError("the kernel", "does not resend unanswered requests", { code: errnoName(errno) });
  }
}

/**
 * Guards the pool's memory before anything touches it; what the machine refuses is added to `refused`.
 * @returns the address for `attachFaults`; 0 where there is no guard
 */
function guardPool(mapping: MemoryMapping, refused: string[]): number {
  const { baseAddress, lengthBytes, facts } = mapping;
  try {
    const guard = installSigbusGuard();
    guard?.guard(baseAddress, lengthBytes, Math.max(facts.grainPages * PAGE_BYTES, facts.mapAlignBytes));
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
function startWorkers(facts: ServerFacts, isDirect: boolean, common: CommonInput, from = 0, to?: number): Workers {
  // A thread of another version would not understand what we share. (One that is gone cannot be started either.)
  const writtenMs = statSync(WORKER, { throwIfNoEntry: false })?.mtimeMs ?? LOADED_MS;
  assert(writtenMs === LOADED_MS, "the program was replaced while it ran; use kmemfs restart after an upgrade");
  const backingId = isDirect ? (facts.direct?.backingId ?? 0) : 0;
  const channelFds = isDirect ? facts.channelFds.slice(0, DIRECT_WORKERS) : facts.channelFds;
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
  tell({ kind: "refused", error: errorBody(refusal) });
  process.exit(1);
});
