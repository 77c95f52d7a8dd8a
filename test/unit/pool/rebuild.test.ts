import { describe, expect, it } from "vitest";
import { ENOSPC } from "../../../src/base/errno.js";
import { PAGE_BYTES } from "../../../src/base/units.js";
import { beginDirect, endDirect, rebuildIndex, recoverDirect, releaseHoles } from "../../../src/pool/directMode.js";
import type { Geometry } from "../../../src/pool/geometry.js";
import { STATE_CLEAN, STATE_DIRECT, STATE_DIRTY } from "../../../src/pool/superblock.js";
import { formatSplit, superblockOf, wholeData } from "../../support/directPool.js";
import type { FakeMemory } from "../../support/fakeMemory.js";
import { Random, seedOfRun } from "../../support/random.js";
import { openPool, type TestPoolOptions } from "../../support/testPool.js";
import { failing, WatchedMemory } from "../../support/watchedMemory.js";

const seed = seedOfRun();

/** Writes the number of the block into each block of a pattern. */
function put(fake: FakeMemory, blocks: Iterable<number>): void {
  for (const block of blocks) {
    fake.populate(fake.metadataPages + block, 1);
    fake.page(fake.metadataPages + block).fill(1 + (block % 250));
  }
}

/** Runs of random length: some end at an index page's end, some go on over it. */
function randomBlocks(random: Random, end: number): Set<number> {
  const chosen = new Set<number>();
  for (let block = random.below(20); block < end; ) {
    const length = 1 + random.below(random.pick([3, 40, 700]));
    for (let i = block; i < Math.min(end, block + length); i++) chosen.add(i);
    block += length + 1 + random.below(random.pick([2, 60, 900]));
    if (random.chance(0.2)) block = Math.ceil(block / 512) * 512 - (random.chance(0.5) ? 1 : 0);
  }
  return chosen;
}

/** The served pool has exactly these blocks, each at home, and holds no more than it tells. */
function expectBlocks(fake: FakeMemory, expected: ReadonlySet<number>): void {
  const pool = openPool(fake);
  const { geometry } = pool;
  for (let block = 0; block < pool.pool.blocks; block++) {
    const page = pool.pool.index.get(block);
    if (page !== (expected.has(block) ? geometry.firstDataPage + block : 0)) throw new Error(`block ${block}: ${page}`);
    if (page !== 0 && fake.page(page).some((byte) => byte !== 1 + (block % 250))) throw new Error(`bytes of ${block}`);
  }
  expect(pool.pool.account.used).toBe(expected.size);
  expect(fake.heldPages).toBe(pool.accountedPages);
  expect(fake.strayStores()).toEqual([]);
}

/** The index, and what lies in holes or behind the file given back. */
function rebuild(fake: FakeMemory, geometry: Geometry, blocks: number): void {
  expect(rebuildIndex(fake, geometry, blocks).errno).toBe(0);
  expect(releaseHoles(fake, geometry, blocks)).toBe(0);
}

describe(`the index is made of the holes (KMEMFS_SEED=${seed})`, () => {
  const shapes: readonly (readonly [string, TestPoolOptions])[] = [
    ["one index page", { pageCount: 102, maxBlocks: 100 }],
    ["several index pages", { pageCount: 2005, maxBlocks: 2000 }],
    ["a file smaller than its pool", { pageCount: 2004, maxBlocks: 1999, blocks: 700 }],
    ["a file of whole index pages", { pageCount: 2004, maxBlocks: 1536, blocks: 1024 }],
    ["a pool larger than its file may be", { pageCount: 1100, maxBlocks: 600, blocks: 513 }],
  ];
  it.each(shapes)("%s", (_name, options) => {
    const random = new Random(seed);
    for (let round = 0; round < 12; round++) {
      const fake = formatSplit(options);
      const { geometry, blocks } = superblockOf(fake);
      const chosen = randomBlocks(random, blocks);
      put(fake, chosen);
      // What an index said before, also about blocks that are holes now, and pages past the file.
      for (let page = 1; page <= geometry.indexPages; page++) {
        if (!random.chance(0.6)) continue;
        fake.populate(page, 1);
        fake.page(page).fill(random.below(256));
      }
      if (blocks < geometry.dataPages) put(fake, [blocks, geometry.dataPages - 1]);
      rebuild(fake, geometry, blocks);
      expectBlocks(fake, chosen);
    }
  });

  it.each([
    ["nothing", []],
    ["the first block", [0]],
    ["the last block", [1599]],
    ["around the border of two index pages", [511, 512]],
    ["all", Array.from({ length: 1600 }, (_, i) => i)],
    ["an index page in the middle, wholly", Array.from({ length: 512 }, (_, i) => 512 + i)],
    ["a run over three index pages", Array.from({ length: 1100 }, (_, i) => 300 + i)],
  ])("%s", (_name, blocks) => {
    const fake = formatSplit({ pageCount: 1605, maxBlocks: 1600 });
    put(fake, blocks);
    rebuild(fake, superblockOf(fake).geometry, 1600);
    expectBlocks(fake, new Set(blocks));
    // The superblock's page, and an index page for each that has an entry.
    expect(fake.heldPages - blocks.length).toBe(1 + new Set(blocks.map((block) => Math.floor(block / 512))).size);
  });
});

describe("no room for the index", () => {
  for (const [name, restore, state] of [
    ["endDirect", endDirect, STATE_CLEAN],
    ["recoverDirect", recoverDirect, STATE_DIRTY],
  ] as const) {
    it.each([1, 2, 3])(
      `${name}: index page %s gets none, the state stays direct, and with room it is done again`,
      (nth) => {
        const fake = formatSplit({ pageCount: 1605, maxBlocks: 1600, durable: true });
        const { geometry, blocks } = superblockOf(fake);
        const data = wholeData(fake);
        expect(beginDirect(fake, data, blocks)).toBe(0);
        const chosen = new Set([3, 700, 701, 1100, 1599]);
        put(fake, chosen);
        const short = new WatchedMemory(fake, failing("populate", ENOSPC, nth));
        expect(restore(short, data, geometry, blocks)).toBe(ENOSPC);
        expect(superblockOf(fake).state).toBe(STATE_DIRECT);
        expect(data.kernelReads(700 * PAGE_BYTES, 1)).toEqual(Uint8Array.of(1 + (700 % 250)));
        expect(restore(fake, data, geometry, blocks)).toBe(0);
        expect(superblockOf(fake).state).toBe(state);
        expectBlocks(fake, chosen);
      },
    );
  }
});
