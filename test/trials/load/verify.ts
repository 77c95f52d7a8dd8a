/**
 * What a disk may hold after a cut or a kill. `Contents` are the values of its
 * sectors, as ticks (see `stamps.ts`). A sector holds what the last durable
 * operation on it left, or what a later one that had begun would leave; nothing
 * else. With atomic blocks that holds for each block as a whole.
 */
import { KIND_FLUSH, KIND_WRITE, type Ledger, type Operation } from "./ledger.js";
import { BLOCK_SECTORS, describeForeign, isTornOf, SECTOR_BYTES, SECTOR_WORDS, tickOf } from "./stamps.js";

const MAX_LINES = 10;

/** The tick of each sector; negative where no write of the load made it. */
export type Contents = Int32Array;

/** The moment of a cut: what was answered before the first tick was, what began after the second was not. */
export interface Moment {
  readonly fromTick: number;
  readonly toTick: number;
}

export interface Promised {
  /** Everything acknowledged before this tick is there. */
  readonly durableTick: number;
  /** Nothing that began at this tick or later is there. */
  readonly endTick: number;
  readonly atomicBlocks: boolean;
  /** A sector may be a mix of what it may hold, byte for byte: a copy that was cut off. */
  readonly tornSectors: boolean;
}

export interface Verdict {
  /** What the disk holds. */
  readonly contents: Contents;
  /** What is wrong, at most ten lines. */
  readonly wrong: readonly string[];
  /** Sectors that are a mix, where that is allowed. */
  readonly torn: number;
}

/** A change of one block that need not be there: bit s of `mask` is its sector s. */
interface Change {
  mask: number;
  readonly tick: number;
}

/** Everything answered before the newest flush that was acknowledged before the cut began is durable. */
export function flushedTick(ledger: Ledger, cut: Moment): number {
  let newest = 0;
  for (const one of ledger.operations()) {
    if (one.kind !== KIND_FLUSH || one.answeredTick === 0 || one.answeredTick >= cut.fromTick) continue;
    newest = Math.max(newest, one.begunTick);
  }
  return newest;
}

function contentsOf(bytes: Uint8Array): Contents {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  const contents = new Int32Array(bytes.byteLength / SECTOR_BYTES);
  for (let sector = 0; sector < contents.length; sector++) {
    contents[sector] = tickOf(words, sector * SECTOR_WORDS, sector);
  }
  return contents;
}

/**
 * Compares a disk with the ledger.
 * @param bytes the whole disk
 * @param before what it held when the ledger was empty
 */
export function compare(bytes: Uint8Array, before: Contents, ledger: Ledger, promise: Promised): Verdict {
  const contents = contentsOf(bytes);
  if (contents.length !== before.length) {
    return { contents, wrong: [`the disk has ${contents.length} sectors instead of ${before.length}`], torn: 0 };
  }
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  const { base, changes } = history(before, ledger, promise);
  const wrong: string[] = [];
  let torn = 0;
  for (let sector = 0; sector < contents.length && wrong.length < MAX_LINES; sector++) {
    const tick = contents[sector] as number;
    if (tick === base[sector]) continue;
    const bit = 1 << (sector % BLOCK_SECTORS);
    const later = changes.get(Math.floor(sector / BLOCK_SECTORS))?.filter((one) => (one.mask & bit) !== 0) ?? [];
    if (later.some((one) => one.tick === tick)) continue;
    const may = [base[sector] as number, ...later.map((one) => one.tick)];
    const at = sector * SECTOR_WORDS;
    if (promise.tornSectors && later.length > 0 && isTornOf(words, at, sector, may)) torn++;
    else {
      const has = tick < 0 ? describeForeign(words, at, sector) : `tick ${tick}`;
      wrong.push(`sector ${sector} holds ${has}, and may hold tick ${may.slice(0, 6).join(", ")}`);
    }
  }
  if (promise.atomicBlocks && wrong.length === 0) wrong.push(...mixedBlocks(contents, base, changes));
  return { contents, wrong, torn };
}

interface History {
  readonly base: Contents;
  readonly changes: Map<number, Change[]>;
}

function history(before: Contents, ledger: Ledger, promise: Promised): History {
  const into: History = { base: before.slice(), changes: new Map() };
  for (const one of ledger.operations()) {
    if (one.kind === KIND_FLUSH || one.begunTick >= promise.endTick) continue;
    const isDurable = one.answeredTick !== 0 && one.answeredTick < promise.durableTick;
    applyOperation(into, one, isDurable);
  }
  return into;
}

function applyOperation({ base, changes }: History, one: Operation, isDurable: boolean): void {
  const value = one.kind === KIND_WRITE ? one.begunTick : 0;
  const end = one.firstSector + one.sectors;
  for (let sector = one.firstSector; sector < end; ) {
    const block = Math.floor(sector / BLOCK_SECTORS);
    const partEnd = Math.min(end, (block + 1) * BLOCK_SECTORS);
    const mask = ((1 << (partEnd - sector)) - 1) << (sector % BLOCK_SECTORS);
    const later = changes.get(block);
    if (isDurable) {
      base.fill(value, sector, partEnd);
      for (const change of later ?? []) change.mask &= ~mask;
      if (later !== undefined)
        changes.set(
          block,
          later.filter((change) => change.mask !== 0),
        );
    } else if (later === undefined) changes.set(block, [{ mask, tick: value }]);
    else later.push({ mask, tick: value });
    sector = partEnd;
  }
}

/** Blocks that are neither as before nor as after one of their changes. */
function mixedBlocks(found: Contents, base: Contents, changes: ReadonlyMap<number, Change[]>): string[] {
  const wrong: string[] = [];
  for (const [block, later] of changes) {
    const first = block * BLOCK_SECTORS;
    const state = base.slice(first, first + BLOCK_SECTORS);
    const has = found.subarray(first, first + BLOCK_SECTORS);
    const isState = (): boolean => state.every((tick, i) => tick === has[i]);
    let known = isState();
    for (const change of later) {
      for (let i = 0; i < BLOCK_SECTORS; i++) if ((change.mask & (1 << i)) !== 0) state[i] = change.tick;
      known ||= isState();
    }
    if (!known) wrong.push(`block ${block} is a mix: ticks ${[...has].join(" ")}`);
    if (wrong.length === MAX_LINES) break;
  }
  return wrong;
}
