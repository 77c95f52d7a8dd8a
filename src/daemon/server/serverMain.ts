/**
 * The server: answers FUSE requests. Everything it needs is in its inherited
 * fds, so that a server is disposable. It talks to the holder by lines of JSON
 * on stdout and never logs, mounts or forks.
 */
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
import { composeThread, type ThreadStack } from "./compose.js";
import type { Housekeeping } from "./housekeeping.js";
import { type OpenedForIo, openForIo, requireGeometry } from "./openForIo.js";
import { serveAlone } from "./serveAlone.js";
import { die, reportToHolder, warnHolder } from "./serverEnd.js";
import { type ServingThreads, startThreads } from "./servingThreads.js";

/** Number of the main thread when it serves; when it keeps house it is 0. */
const MAIN_SERVES_AS = 1;
const NOT_LOCKED = "MLOCK: buffers may be swapped out (ulimit -l)";

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
  const session = viewSession(sessionView.bytes);
  const parts = { mapping, geometry, shared, readOnly: config.readOnly, atomicWrites: config.atomicWrites };
  const compose = (isDirect: boolean): ThreadStack =>
    composeThread({
      ...parts,
      session,
      faults,
      backingId: backingIdOf(config, isDirect),
      channelFd: config.channelFds[0],
      thread: MAIN_SERVES_AS,
    });
  // A session that goes on keeps its way. Who stands by has all that it needs, as it may have to serve when
  // there is no program any more.
  const early = config.isRestart ? compose(config.direct !== null) : null;
  if (process.argv[2] === STANDBY) {
    // A pool that cannot be served is refused while the server before this one still serves it.
    requireGeometry(config);
    reportToHolder({ kind: "standby" });
    await goAhead();
  }
  const way = openForIo({ config, mapping, memory, geometry, shared, session, faults }, requireGeometry(config));
  const { io, ioReason, wasUnclean } = way;
  const isDirect = io === "direct";
  assert(early === null || isDirect === (config.direct !== null), "a resumed session changed its I/O mode");
  const stack = early ?? compose(isDirect);
  if (!stack.isLocked) refused.push(NOT_LOCKED);
  resend(config);
  const beat = new Heartbeat(session.heartbeatWords, 0);
  beat.attach(threadId());
  const housekeeping = {
    periodMs: way.housekeeping.periodMs,
    run: () => {
      beat.begin();
      way.housekeeping.run();
      beat.end();
    },
  };
  reportToHolder({ kind: "ready", refused, io, ioReason, wasUnclean });
  const channelFds = isDirect ? config.channelFds.slice(0, DIRECT_WORKERS) : config.channelFds;
  const common = {
    ...parts,
    backingId: backingIdOf(config, isDirect),
    sessionAddress: sessionView.address,
    faultsAddress,
  };
  await serveSession(stack, housekeeping, memory.durable, () => startThreads(common, channelFds));
  beat.close();
  process.exit(closeInOrder(way, config.readOnly) ? 0 : 1);
}

function backingIdOf({ direct }: ServerConfig, isDirect: boolean): number {
  return isDirect ? (direct?.backingId ?? 0) : 0;
}

/**
 * Serves until the session ends: at first alone, then by threads.
 * @param isDurable housekeeping and flushes wait for a disk, and nobody should wait for them
 */
async function serveSession(
  stack: ThreadStack,
  housekeeping: Housekeeping,
  isDurable: boolean,
  start: () => ServingThreads | null,
): Promise<void> {
  let begun: ServingThreads | null = null;
  let mayStart = true;
  const threads = await serveAlone(stack, housekeeping, (load) => {
    if (mayStart && (isDurable || load.isHigh)) {
      mayStart = false;
      begun = start();
      if (begun === null) warnHolder("only one thread serves, as the program was replaced or removed; kmemfs restart");
    }
    const ready = begun?.ready ?? null;
    if (!(ready instanceof Error)) return ready === null ? null : begun;
    warnHolder(`only one thread serves, as no other could be started: ${ready.message}`);
    begun?.dismiss();
    begun = null;
    return null;
  });
  if (threads === null) return;
  if (!threads.isLocked) warnHolder(NOT_LOCKED);
  threads.serve();
  const timer = setInterval(housekeeping.run, housekeeping.periodMs);
  await threads.ended;
  clearInterval(timer);
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

main().catch((error: unknown) => {
  if (!(error instanceof UserError || error instanceof MediaError)) die(error);
  const refusal = error instanceof UserError ? error : new UserError("pool", error.message);
  reportToHolder({ kind: "refused", error: errorBody(refusal) });
  process.exit(1);
});
