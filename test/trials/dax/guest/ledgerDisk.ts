/** A disk under a ledger of what was acknowledged, and what it must hold afterwards. */
import { basename, dirname } from "node:path";
import { ENOSPC } from "../../../../src/base/errno.js";
import type { Place } from "../../../support/place.js";
import { KIND_FLUSH, type Ledger } from "../../load/ledger.js";
import { readDisk } from "../../load/mounted.js";
import { SECTOR_BYTES } from "../../load/stamps.js";
import { compare } from "../../load/verify.js";
import { say } from "./say.js";

/** Small: the guest is slow, and all of it is compared. */
export const LEDGER_DISK_BYTES = 8 * 2 ** 20;
export const SHARES = { flush: 0.05, discard: 0.2, zero: 0.1 };

/**
 * Compares a disk that began as zeros.
 * @param durableTick everything acknowledged before is there
 * @param ended errnos of a mount that ended, where that may be
 */
export async function requireLedger(
  place: Place,
  file: string,
  ledger: Ledger,
  durableTick: number,
  ended: readonly number[] = [],
): Promise<void> {
  const bytes = await readDisk(place, file, `read-${basename(dirname(file))}`);
  const before = new Int32Array(LEDGER_DISK_BYTES / SECTOR_BYTES);
  const endTick = Number.POSITIVE_INFINITY;
  const { wrong } = compare(bytes, before, ledger, { durableTick, endTick, atomicBlocks: false, tornSectors: true });
  if (wrong.length > 0) throw new Error(wrong.join("\n"));
  let acknowledged = 0;
  let durable = 0;
  for (const one of ledger.operations()) {
    if (one.answeredTick > 0) acknowledged++;
    if (one.answeredTick > 0 && one.answeredTick < durableTick) durable++;
    else if (![0, ENOSPC, ...ended].includes(one.errno)) throw new Error(`an operation met errno ${one.errno}`);
  }
  if (durable === 0) throw new Error("nothing had to be there");
  say(`  ${acknowledged} operations acknowledged, ${durable} of them durable, none of those lost`);
}

/** Flushes that were acknowledged. */
export function flushesOf(ledger: Ledger): number {
  return [...ledger.operations()].filter(({ kind, answeredTick }) => kind === KIND_FLUSH && answeredTick > 0).length;
}
