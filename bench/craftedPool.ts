/**
 * A pool whose index is full and whose data pages are holes of the backing, which
 * read as zeros: what opens a full pool of 64 GiB, on a machine that has no 64 GiB.
 * The index is written as docs/media-format.md has it, each block at its home page.
 */
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { COPY_BYTES, COPY_OFFSETS } from "../src/pool/superblock.js";
import type { Way } from "./sides/side.js";

const PAGE_BYTES = 4096;
const ENTRIES_AT_ONCE = 2 ** 18;

interface Layout {
  readonly indexPages: number;
  /** The file's size, in blocks. */
  readonly blocks: number;
}

/** The fields of the newer copy of page 0 that say where the index is. The page is one that kmemfs has made. */
export function layoutOf(page: Buffer): Layout {
  const copies = COPY_OFFSETS.map((at) => page.subarray(at, at + COPY_BYTES));
  const field = (copy: Buffer, at: number): number => Number(copy.readBigUInt64LE(at));
  const [newest] = copies.sort((one, other) => field(other, 48) - field(one, 48));
  return { indexPages: field(newest!, 24), blocks: field(newest!, 40) };
}

/** The entries of `count` blocks from `first` on, each at its home page. */
export function homeEntries(first: number, count: number, indexPages: number): Uint8Array {
  const words = new Uint32Array(2 * count);
  for (let i = 0; i < count; i++) words[2 * i] = 1 + indexPages + first + i;
  return new Uint8Array(words.buffer);
}

/** The file that holds superblock and index of a pool: direct I/O takes a split one. */
export function metadataFile(pool: string, way: Way): string {
  return way === "direct" ? join(pool, "meta") : pool;
}

/** Fills the index of a pool that was formatted just now and is not mounted. */
export function fillIndex(file: string): void {
  const fd = openSync(file, "r+");
  try {
    const page = Buffer.alloc(PAGE_BYTES);
    readSync(fd, page, 0, PAGE_BYTES, 0);
    const { indexPages, blocks } = layoutOf(page);
    for (let first = 0; first < blocks; first += ENTRIES_AT_ONCE) {
      const entries = homeEntries(first, Math.min(ENTRIES_AT_ONCE, blocks - first), indexPages);
      writeSync(fd, entries, 0, entries.length, PAGE_BYTES + 8 * first);
    }
  } finally {
    closeSync(fd);
  }
}
