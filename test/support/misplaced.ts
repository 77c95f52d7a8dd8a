/** Pools whose blocks are not on their home pages, each block with content of its own. */
import { PAGE_BYTES } from "../../src/base/units.js";
import { closePool } from "../../src/pool/probe.js";
import { decode, STATE_CLEAN, type Superblock } from "../../src/pool/superblock.js";
import { superblockPage } from "../../src/pool/superblockStore.js";
import { plantEntry, plantSuperblock } from "./damage.js";
import type { FakeMemory } from "./fakeMemory.js";
import type { Random } from "./random.js";
import { formatFake, openPool, type TestPoolOptions } from "./testPool.js";

/** What each mapped block holds, by its number. */
export type Contents = ReadonlyMap<number, number>;

export interface MisplacedPool {
  readonly fake: FakeMemory;
  readonly contents: Contents;
}

/** A closed pool in which block b has data page `pages.get(b)`. */
export function misplaced(options: TestPoolOptions, pages: ReadonlyMap<number, number>): MisplacedPool {
  const fake = formatFake(options);
  const { geometry } = superblockOf(fake);
  const contents = new Map<number, number>();
  for (const [block, dataPage] of pages) {
    const page = geometry.firstDataPage + dataPage;
    plantEntry(fake, block, page);
    fake.populate(page, 1);
    contents.set(block, stampOf(block));
    stamp(fake.page(page), stampOf(block));
  }
  fake.sync();
  return { fake, contents };
}

/** `used` random blocks of `blocks` on random pages of `dataPages`; one in ten or so at home. */
export function randomPages(random: Random, blocks: number, dataPages: number, used: number): Map<number, number> {
  const free = shuffled(random, dataPages);
  const pages = new Map<number, number>();
  for (const block of shuffled(random, blocks).slice(0, used)) {
    const home = free.indexOf(block);
    const at = home >= 0 && random.chance(0.1) ? home : 0;
    pages.set(block, free.splice(at, 1)[0] as number);
  }
  return pages;
}

function shuffled(random: Random, count: number): number[] {
  const numbers = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const other = random.below(i + 1);
    [numbers[i], numbers[other]] = [numbers[other] as number, numbers[i] as number];
  }
  return numbers;
}

export function superblockOf(fake: FakeMemory): Superblock {
  return decode(superblockPage(fake), fake.pageCount);
}

export function setState(fake: FakeMemory, state: number): void {
  plantSuperblock(fake, { ...superblockOf(fake), state });
}

function stampOf(block: number): number {
  return block + 1;
}

/** A page that tells its block at its beginning and at its end. */
function stamp(page: Uint8Array, value: number): void {
  const words = new Uint32Array(page.buffer, page.byteOffset, PAGE_BYTES / 4);
  words.fill(0x5a5a5a5a);
  words[0] = value;
  words[PAGE_BYTES / 4 - 1] = value;
}

/** @throws Error when the pool does not open, or a block is not as it was; also what it holds must be accounted for */
export function requireContents(fake: FakeMemory, contents: Contents): void {
  const pool = openPool(fake);
  for (let block = 0; block < pool.pool.blocks; block++) {
    const expected = contents.get(block);
    if (expected === undefined) {
      if (pool.pool.index.get(block) !== 0) throw new Error(`block ${block} was a hole and is mapped`);
      continue;
    }
    const words = new Uint32Array(pool.read(block * PAGE_BYTES, PAGE_BYTES).buffer);
    if (words[0] === expected && words[1] === 0x5a5a5a5a && words[1023] === expected) continue;
    throw new Error(`block ${block} holds ${words[0]} to ${words[1023]} instead of ${expected}`);
  }
  if (fake.heldPages !== pool.accountedPages) {
    throw new Error(`${fake.heldPages} pages are held, ${pool.accountedPages} accounted for`);
  }
  closePool(pool.pool);
}

/** Blocks that are not at home. */
export function awayBlocks(fake: FakeMemory, contents: Contents): number[] {
  const { firstDataPage } = superblockOf(fake).geometry;
  const words = fake.metadataWords(0);
  return [...contents.keys()].filter((block) => {
    const page = (words[(PAGE_BYTES + block * 8) / 4] as number) >>> 0;
    return page !== firstDataPage + block;
  });
}

export function isClean(fake: FakeMemory): boolean {
  return superblockOf(fake).state === STATE_CLEAN;
}
