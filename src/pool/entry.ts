/**
 * The layout of the index: from page 1 on, 8 bytes per block, its page number in
 * the low word. For the only user of a pool; requests use `IndexTable`.
 */
import { type Memory, WINDOW_BYTES } from "../base/ports.js";
import { type BlockNo, type ByteOffset, bytesToPagesFloor, PAGE_BYTES, type PageNo } from "../base/units.js";
import { ENTRIES_PER_PAGE, type Geometry, homePage } from "./geometry.js";

export const ENTRY_BYTES = 8;

/** Byte offset in the pool of the entry of `block`. */
export function entryOffset(block: BlockNo): ByteOffset {
  return PAGE_BYTES + block * ENTRY_BYTES;
}

/** The 32-bit words of metadata page `page`. Touching them allocates memory if it holds none. */
export function pageWords(memory: Memory, page: PageNo): Int32Array {
  const at = page * PAGE_BYTES;
  const first = (at % WINDOW_BYTES) / 4;
  return memory.metadataWords(Math.floor(at / WINDOW_BYTES)).subarray(first, first + PAGE_BYTES / 4);
}

/** Stores the entry of `block` and persists it. */
export function storeEntry(memory: Memory, block: BlockNo, page: PageNo): void {
  const at = entryOffset(block);
  const words = pageWords(memory, bytesToPagesFloor(at));
  const word = (at % PAGE_BYTES) / 4;
  Atomics.store(words, word, page | 0);
  Atomics.store(words, word + 1, 0);
  memory.persist(at, ENTRY_BYTES);
}

/** Stores the home pages of `[block, end)`, which are holes within one index page. */
export function storeHomes(memory: Memory, geometry: Geometry, block: BlockNo, end: BlockNo): void {
  const words = pageWords(memory, bytesToPagesFloor(entryOffset(block)));
  const first = 2 * (block % ENTRIES_PER_PAGE);
  for (let i = 0; i < end - block; i++) words[first + 2 * i] = homePage(geometry, block + i) | 0;
}
