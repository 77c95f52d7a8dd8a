/**
 * The server: answers FUSE requests. Everything it needs is in its inherited
 * fds, so that a server is disposable. It talks to the holder by lines of JSON
 * on stdout and never logs, mounts or forks.
 */
import { Worker } from "node:worker_threads";
import { UserError } from "../base/errors.js";
import { PAGE_BYTES } from "../base/units.js";
import { mapBacking, readMetadata } from "../linux/backing.js";
import { attachMemory } from "../linux/memory.js";
import { mapShared, prepareIoProcess } from "../linux/process.js";
import { closePool, probePool } from "../pool/probe.js";
import { allocateShared } from "../pool/shared.js";
import { decode } from "../pool/superblock.js";
import { startHousekeeping } from "./housekeeping.js";
import { die, tell } from "./serverEnd.js";
import { SESSION_FD } from "./serverProcess.js";
import { readFacts, SESSION_BYTES, type ServerFacts, viewSession } from "./sessionMemory.js";
import type { WorkerInput } from "./worker.js";

async function main(): Promise<void> {
  process.on("uncaughtException", die);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
  const { refused } = prepareIoProcess();
  const sessionView = mapShared(SESSION_FD, SESSION_BYTES);
  const facts = readFacts(sessionView.bytes);
  const superblock = decode(readMetadata(facts.backing, 0, PAGE_BYTES), facts.backing.pageCount);
  const mapping = mapBacking(facts.backing, superblock.geometry.firstDataPage);
  const memory = attachMemory(mapping);
  const { geometry } = superblock;
  const shared = allocateShared(geometry, memory.grainPages);
  const { accountWords } = viewSession(sessionView.bytes);
  const pool = probePool({ memory, geometry, shared, accountWords, thread: 0 }, superblock, facts);
  const common = { mapping, geometry, shared, sessionAddress: sessionView.address, readOnly: facts.readOnly };
  const ends = await startWorkers(facts, common);
  tell({ kind: "ready", refused });
  const housekeeping = startHousekeeping(pool, facts.backing.kind);
  await Promise.all(ends);
  clearInterval(housekeeping);
  if (!facts.readOnly) closePool(pool);
  tell({ kind: "closed" });
  process.exit(0);
}

/** Returns when all threads serve. @returns a promise for the end of each */
async function startWorkers(
  facts: ServerFacts,
  common: Omit<WorkerInput, "thread" | "channelFd">,
): Promise<Promise<unknown>[]> {
  const ends: Promise<unknown>[] = [];
  const ready: Promise<unknown>[] = [];
  for (const [i, channelFd] of facts.channelFds.entries()) {
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
  tell({ kind: "refused", message: (error as Error).message });
  process.exit(1);
});
