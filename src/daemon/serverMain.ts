/**
 * The server: answers FUSE requests. Everything it needs is in its inherited
 * fds, so that a server is disposable. It talks to the holder by lines of JSON
 * on stdout and never logs, mounts or forks.
 */
import { Worker } from "node:worker_threads";
import { UserError } from "../base/errors.js";
import { PAGE_BYTES } from "../base/units.js";
import { type MemoryMapping, mapBacking, readMetadata } from "../linux/backing.js";
import { attachMemory } from "../linux/memory.js";
import { mapShared, prepareIoProcess } from "../linux/process.js";
import { attachFaults, installSigbusGuard } from "../linux/sigbusGuard.js";
import { allocateShared, CONTROL } from "../pool/shared.js";
import { decode } from "../pool/superblock.js";
import { openWay } from "./poolWay.js";
import { die, tell } from "./serverEnd.js";
import { SESSION_FD } from "./serverProcess.js";
import { readFacts, SESSION_BYTES, viewSession } from "./sessionMemory.js";
import type { WorkerInput } from "./worker.js";

/** Without reads and writes there is little to do; the second goes on while a flush or a long discard runs. */
const DIRECT_WORKERS = 2;

async function main(): Promise<void> {
  process.on("uncaughtException", die);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
  const { refused } = prepareIoProcess();
  const sessionView = mapShared(SESSION_FD, SESSION_BYTES);
  const facts = readFacts(sessionView.bytes);
  const superblock = decode(readMetadata(facts.backing, 0, PAGE_BYTES), facts.backing.pageCount);
  const mapping = mapBacking(facts.backing, superblock.geometry.firstDataPage);
  const faultsAddress = guardPool(mapping, refused);
  const faults = faultsAddress === 0 ? null : attachFaults(faultsAddress);
  const memory = attachMemory(mapping);
  const { geometry } = superblock;
  const shared = allocateShared(geometry, memory.grainPages);
  shared.control[CONTROL.lostGrain] = Math.max(memory.grainPages, facts.backing.mapAlignBytes / PAGE_BYTES);
  const session = viewSession(sessionView.bytes);
  const way = openWay({ facts, mapping, memory, geometry, shared, session, faults }, superblock);
  const { io, ioReason, wasUnclean, housekeeping } = way;
  const isDirect = io === "direct";
  const backingId = isDirect ? (facts.direct?.backingId ?? 0) : 0;
  const channelFds = isDirect ? facts.channelFds.slice(0, DIRECT_WORKERS) : facts.channelFds;
  const common = {
    mapping,
    geometry,
    shared,
    sessionAddress: sessionView.address,
    readOnly: facts.readOnly,
    atomicWrites: facts.atomicWrites,
    backingId,
    faultsAddress,
  };
  const ends = await startWorkers(channelFds, common);
  tell({ kind: "ready", refused, io, ioReason, wasUnclean });
  const timer = setInterval(housekeeping.run, housekeeping.periodMs);
  await Promise.all(ends);
  clearInterval(timer);
  if (!facts.readOnly) way.close();
  tell({ kind: "closed" });
  process.exit(0);
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
    if (guard === null) refused.push(`SIGBUS_GUARD: none for ${process.arch}`);
    return guard?.address ?? 0;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    refused.push(`SIGBUS_GUARD: ${error.options.code ?? error.reason}`);
    return 0;
  }
}

/** Returns when all threads serve. @returns a promise for the end of each */
async function startWorkers(
  channelFds: readonly number[],
  common: Omit<WorkerInput, "thread" | "channelFd">,
): Promise<Promise<unknown>[]> {
  const ends: Promise<unknown>[] = [];
  const ready: Promise<unknown>[] = [];
  for (const [i, channelFd] of channelFds.entries()) {
    const workerInput: WorkerInput = { ...common, channelFd, thread: i + 1 };
    const worker = new Worker(new URL("./worker.js", import.meta.url), {
      workerData: workerInput,
      resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 },
    });
    worker.on("error", die);
    ready.push(new Promise((resolve) => worker.once("message", resolve)));
    ends.push(new Promise((resolve) => worker.once("exit", resolve)));
  }
  await Promise.all(ready);
  return ends;
}

main().catch((error: unknown) => {
  if (!(error instanceof UserError) && !(error instanceof Error && error.name === "MediaError")) die(error);
  const cure = error instanceof UserError ? error.options.cure : undefined;
  tell({ kind: "refused", message: (error as Error).message, ...(cure === undefined ? {} : { cure }) });
  process.exit(1);
});
