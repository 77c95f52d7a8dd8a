/** What a server does when no request does it: lets limbo go, and watches the machine's memory. */
import { totalmem } from "node:os";
import { errnoName } from "../base/errno.js";
import { GIB, MIB } from "../base/units.js";
import type { BackingKind } from "../linux/backing.js";
import { memoryFree } from "../linux/proc.js";
import type { Pool } from "../pool/pool.js";
import { tell } from "./serverEnd.js";

const PERIOD_MS = 100;
/** In a durable pool it costs a flush; freed memory is still back within a second. */
const PERIOD_DURABLE_MS = 500;

/** A pool in the machine's own memory stops growing here: what fresh pages can take within a period stays free. */
const RESERVE_BYTES = Math.min(GIB, Math.max(64 * MIB, totalmem() / 16));

/** Starts the timer. */
export function startHousekeeping(pool: Pool, kind: BackingKind): NodeJS.Timeout {
  const takesMemory = kind === "tmpfs" || kind === "memfd";
  const told = { failed: false, short: false };
  let usedBefore = 0;
  const period = pool.memory.durable ? PERIOD_DURABLE_MS : PERIOD_MS;
  return setInterval(() => {
    pool.settle();
    if (pool.failedErrno !== 0 && !told.failed) {
      tell({
        kind: "warning",
        message: `the pool cannot be flushed (${errnoName(pool.failedErrno)}): writes are stopped`,
      });
      told.failed = true;
    }
    const used = pool.account.used;
    if (!takesMemory || (used === usedBefore && !told.short)) return;
    usedBefore = used;
    const short = memoryFree().availableBytes < RESERVE_BYTES;
    pool.setMemoryShort(short);
    if (short && !told.short)
      tell({ kind: "warning", message: "the machine is short of memory: new blocks get ENOSPC" });
    told.short = short;
  }, period);
}
