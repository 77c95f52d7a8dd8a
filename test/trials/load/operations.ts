/** The random operations of the load: all sizes from a sector to 1 MiB, most of them small. */
import type { Random } from "../../support/random.js";
import { KIND_DISCARD, KIND_FLUSH, KIND_WRITE, KIND_ZERO, ZONE_SECTORS } from "./ledger.js";
import { BLOCK_SECTORS } from "./stamps.js";

export interface Plan {
  readonly kind: number;
  readonly firstSector: number;
  readonly sectors: number;
}

export interface Shares {
  /** Of all operations. */
  readonly flush: number;
  readonly discard: number;
  readonly zero: number;
}

/** The next operation of `writer`, in one of its zones. */
export function nextPlan(random: Random, shares: Shares, writer: number, writers: number, zones: number): Plan {
  const dice = random.next();
  if (dice < shares.flush) return { kind: KIND_FLUSH, firstSector: 0, sectors: 0 };
  const own = Math.ceil((zones - writer) / writers);
  const zone = (writer + random.below(own) * writers) * ZONE_SECTORS;
  const length = lengthSectors(random);
  const isAligned = length >= BLOCK_SECTORS && random.chance(0.8);
  const step = isAligned ? BLOCK_SECTORS : 1;
  const first = Math.floor(random.below(ZONE_SECTORS - length + 1) / step) * step;
  const discards = dice < shares.flush + shares.discard;
  const kind = discards ? KIND_DISCARD : dice < shares.flush + shares.discard + shares.zero ? KIND_ZERO : KIND_WRITE;
  return { kind, firstSector: zone + first, sectors: length };
}

function lengthSectors(random: Random): number {
  const dice = random.next();
  if (dice < 0.15) return 1 + random.below(BLOCK_SECTORS - 1);
  if (dice < 0.6) return BLOCK_SECTORS;
  if (dice < 0.85) return BLOCK_SECTORS * (2 + random.below(15));
  if (dice < 0.95) return 1 + random.below(64 * BLOCK_SECTORS);
  return BLOCK_SECTORS * (64 + random.below(193));
}
