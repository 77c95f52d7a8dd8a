/**
 * Writes the superblock of an open pool. The copy that is not the newest is
 * overwritten, so a torn write leaves a valid one. Callers hold the pool's
 * mutex, or are the only thread, and have put the newest copy on the media.
 */
import { EIO } from "../base/errno.js";
import { MediaError } from "../base/errors.js";
import type { Memory } from "../base/ports.js";
import { type Errno, PAGE_BYTES } from "../base/units.js";
import type { Account } from "./account.js";
import type { MediaSync } from "./mediaSync.js";
import {
  COPY_BYTES,
  COPY_OFFSETS,
  copyOffset,
  decode,
  encode,
  generationAfter,
  isTorn,
  layout,
  MAX_GENERATION,
  type Superblock,
} from "./superblock.js";

/** A copy of page 0's bytes as they are in memory now. */
export function superblockPage(memory: Memory): Uint8Array {
  return new Uint8Array(memory.metadataWords(0).slice(0, PAGE_BYTES / 4).buffer);
}

/** Puts everything stored before on the media. */
type Sync = () => Errno;

/** Writes `superblock` and returns when it is on the media. */
export function writeSuperblock(memory: Memory, superblock: Superblock, sync: Sync = () => memory.sync()): Errno {
  const errno = wipeTorn(memory, copyOffset(superblock.generation), sync);
  if (errno !== 0) return errno;
  storeCopy(memory, superblock);
  return sync();
}

/**
 * A torn copy is wiped from the media before its place is written again: a new copy of the same generation
 * may add just the words that the torn one lacks, and a torn write would then make the old copy whole.
 */
function wipeTorn(memory: Memory, at: number, sync: Sync): Errno {
  if (!isTorn(superblockPage(memory), at)) return 0;
  wipeCopy(memory, at);
  return sync();
}

/**
 * Changes fields of the newest superblock.
 * @throws MediaError when page 0 is damaged, or its generation is the last possible one
 */
export function updateSuperblock(
  memory: Memory,
  change: Partial<Pick<Superblock, "blocks" | "state">>,
  sync?: Sync,
): Errno {
  const page = superblockPage(memory);
  const newest = decode(page, memory.pageCount);
  // The next generation would be refused, and the pool could not be opened again.
  if (newest.generation >= MAX_GENERATION) {
    const expected = `less than ${MAX_GENERATION} in a writable pool`;
    const at = copyOffset(newest.generation) + layout.offset.generation;
    throw new MediaError("generation", expected, String(newest.generation), at);
  }
  const generation = generationAfter(page) ?? newest.generation + 1;
  return writeSuperblock(memory, { ...newest, ...change, generation }, sync);
}

/** Puts the file's size on the media and into the account. EIO when page 0 is damaged. */
export function storeBlocks(memory: Memory, account: Account, media: MediaSync, blocks: number): Errno {
  try {
    const errno = updateSuperblock(memory, { blocks }, () => media.sync());
    if (errno === 0) account.setBlocks(blocks);
    return errno;
  } catch (error) {
    if (!(error instanceof MediaError)) throw error;
    return EIO;
  }
}

function storeCopy(memory: Memory, superblock: Superblock): void {
  const at = copyOffset(superblock.generation);
  const words = new Int32Array(encode(superblock).buffer);
  memory.metadataWords(0).set(words, at / 4);
  memory.persist(at, COPY_BYTES);
}

/** The generation for a format's first write: it spares the newest copy; without one, both are wiped and it is 1. */
export function generationOver(memory: Memory): number {
  const generation = generationAfter(superblockPage(memory));
  if (generation !== null) return generation;
  for (const at of COPY_OFFSETS) wipeCopy(memory, at);
  return 1;
}

/** Zeroes page 0 except the copies: other tools would recognise an old signature (ext4 at byte 1080). */
export function wipeAroundSuperblock(memory: Memory): void {
  for (const [i, at] of COPY_OFFSETS.entries()) {
    const [start, end] = [at + COPY_BYTES, COPY_OFFSETS[i + 1] ?? PAGE_BYTES];
    memory.metadataWords(0).fill(0, start / 4, end / 4);
    memory.persist(start, end - start);
  }
}

function wipeCopy(memory: Memory, at: number): void {
  memory.metadataWords(0).fill(0, at / 4, (at + COPY_BYTES) / 4);
  memory.persist(at, COPY_BYTES);
}
