/** Changes the media of a pool behind its back. */
import { PAGE_BYTES } from "../../src/base/units.js";
import { encode, type Superblock } from "../../src/pool/superblock.js";
import type { FakeMemory } from "./fakeMemory.js";

/** Stores an index entry, both words, and makes its index page. */
export function plantEntry(memory: FakeMemory, block: number, low: number, high = 0): void {
  memory.populate(1 + Math.floor(block / 512), 1);
  const at = (PAGE_BYTES + block * 8) / 4;
  memory.metadataWords(0)[at] = low | 0;
  memory.metadataWords(0)[at + 1] = high | 0;
}

/** Overwrites both copies with `superblock` under its own and the next generation. */
export function plantSuperblock(memory: FakeMemory, superblock: Superblock): void {
  memory.page(0).set(encode(superblock), 0);
  memory.page(0).set(encode({ ...superblock, generation: superblock.generation + 1 }), 2048);
}

/** All bytes of the pool, to see whether anything changed. */
export function fingerprint(memory: FakeMemory): Buffer {
  return Buffer.from(memory.bytes.slice(0, memory.pageCount * PAGE_BYTES));
}
