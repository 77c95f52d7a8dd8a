/**
 * Which copies of the superblock a repair writes, in order. Afterwards the
 * newest stands in its own place and the other is the one before it. A clean
 * pool that is changed becomes dirty, so that the next mount looks after strays.
 */
import type { ByteOffset } from "../base/units.js";
import { COPY_OFFSETS, INCOMPATIBLE_SPLIT, STATE_CLEAN, STATE_DIRTY, type Superblock } from "./superblock.js";
import { contradiction, misplaced, readCopies } from "./superblockCopies.js";

export interface CopyWrite {
  readonly at: ByteOffset;
  readonly superblock: Superblock;
}

/**
 * @param page page 0
 * @param superblock the copy that counts, or a rebuilt one
 * @param indexChanges whether entries change too
 */
export function planCopies(page: Uint8Array, superblock: Superblock, indexChanges: boolean): CopyWrite[] {
  const { geometry, incompatible } = superblock;
  const media = { split: (incompatible & INCOMPATIBLE_SPLIT) !== 0, metadataPages: geometry.firstDataPage };
  const { copies, newest, newestAt } = readCopies(page, geometry.pageCount, media);
  const copyAt = (at: ByteOffset) => copies.find((copy) => copy.at === at)?.superblock ?? null;
  const isIntact = (at: ByteOffset, top: Superblock) => {
    const copy = copyAt(at);
    return copy !== null && contradiction(copy, top) === null;
  };
  const writes: CopyWrite[] = [];
  let top = superblock;
  let topAt: ByteOffset = newestAt;
  if (newest === null) {
    top = { ...superblock, generation: Math.max(2, superblock.generation) };
    topAt = COPY_OFFSETS[top.generation % 2];
    writes.push({ at: topAt, superblock: top });
  } else {
    const isOut = misplaced(newest, newestAt) !== null;
    const changes = indexChanges || isOut || !isIntact(otherThan(newestAt), newest);
    // Generation 1 has none before it.
    if (isOut || (changes && (newest.state === STATE_CLEAN || newest.generation === 1))) {
      topAt = otherThan(newestAt);
      const generation = newest.generation + (COPY_OFFSETS[(newest.generation + 1) % 2] === topAt ? 1 : 2);
      top = { ...newest, generation, state: newest.state === STATE_CLEAN ? STATE_DIRTY : newest.state };
      writes.push({ at: topAt, superblock: top });
    }
  }
  const below = otherThan(topAt);
  if (!isIntact(below, top)) writes.push({ at: below, superblock: { ...top, generation: top.generation - 1 } });
  return writes;
}

function otherThan(at: ByteOffset): ByteOffset {
  return at === COPY_OFFSETS[0] ? COPY_OFFSETS[1] : COPY_OFFSETS[0];
}
