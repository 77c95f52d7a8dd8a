import { expect, it } from "vitest";
import { rebuildSuperblock } from "../../../src/pool/rebuildSuperblock.js";
import { decode, STATE_DIRECT, STATE_DIRTY, type Superblock } from "../../../src/pool/superblock.js";
import { superblockPage } from "../../../src/pool/superblockStore.js";
import { plantEntry, plantSuperblock } from "../../support/damage.js";
import type { FakeMemory } from "../../support/fakeMemory.js";
import { checkMemory, repairMemory } from "../../support/repairRun.js";
import { blocksOf, makePool, openPool } from "../../support/testPool.js";

const uuid = new Uint8Array(16).fill(9);

function rebuild(fake: FakeMemory, known: { blocks?: number; maxBlocks?: number } = {}, metadataPages = 0): Superblock {
  const media = { split: metadataPages > 0, metadataPages };
  const map = () => ({ memory: fake, close: () => {} });
  const input = { page: superblockPage(fake), pageCount: fake.pageCount, media, map };
  return rebuildSuperblock(input, { ...known, uuid, nowMs: 5 });
}

function used(pageCount: number, maxBlocks?: number): FakeMemory {
  const pool = makePool({ pageCount, ...(maxBlocks === undefined ? {} : { maxBlocks }) });
  for (let block = 0; block < 6; block++) pool.write(block * 4096, blocksOf(block + 1));
  return pool.fake;
}

it("finds the seed's geometry from the size and the index; UUID and label are new", () => {
  const fake = used(600);
  const old = decode(superblockPage(fake), 600);
  fake.page(0).fill(0);
  const made = rebuild(fake);
  expect(made).toMatchObject({ geometry: old.geometry, blocks: old.blocks, state: STATE_DIRTY, formattedMs: 5, uuid });
  expect(repairMemory(fake, made).summary.writtenCopies).toBe(2);
  expect(checkMemory(fake).findings).toEqual([]);
  expect(openPool(fake).read(3 * 4096, 4096)).toEqual(blocksOf(4));
});

it("finds a thin pool's index by its first entry, or takes what the user says", () => {
  const fake = used(600, 5000);
  fake.page(0).fill(0);
  expect(rebuild(fake).geometry).toMatchObject({ indexPages: 10, maxBlocks: 5120 });
  expect(rebuild(fake, { blocks: 4000, maxBlocks: 5000 })).toMatchObject({
    blocks: 4000,
    geometry: { indexPages: 10, maxBlocks: 5000 },
  });
  expect(() => rebuild(fake, { blocks: 5, maxBlocks: 5000 })).toThrow("block 5 is mapped beyond");
});

it("prefers fields that survived in a damaged copy", () => {
  const fake = used(600, 5000);
  const superblock = decode(superblockPage(fake), 600);
  plantSuperblock(fake, { ...superblock, generation: 4, blocks: 4321 });
  for (const at of [0, 2048]) fake.page(0)[at + 200] = 1;
  expect(rebuild(fake)).toMatchObject({ blocks: 4321, geometry: { indexPages: 10, maxBlocks: 5000 }, uuid });
});

it("of a pool that was cut short keeps what is whole, and what lay behind is lost", () => {
  const pool = makePool({ pageCount: 60, maxBlocks: 50 });
  pool.write(0, blocksOf(1));
  const old = decode(superblockPage(pool.fake), 60);
  plantSuperblock(pool.fake, { ...old, generation: 4, geometry: { ...old.geometry, pageCount: 90 } });
  plantEntry(pool.fake, 40, 80);
  const made = rebuild(pool.fake);
  expect([made.uuid, made.label, made.geometry]).toEqual([old.uuid, old.label, old.geometry]);
  expect(repairMemory(pool.fake, made).lost).toEqual([40]);
  expect(checkMemory(pool.fake).findings).toEqual([]);
});

it("of a directory whose pages say more than its index makes one in direct use", () => {
  const fake = used(53, 50);
  fake.page(0).fill(0);
  expect(rebuild(fake, {}, 2)).toMatchObject({ state: STATE_DIRTY, incompatible: 1 });
  fake.populate(2 + 20, 1);
  expect(rebuild(fake, {}, 2)).toMatchObject({ state: STATE_DIRECT, blocks: 51 });
});

it("refuses what fits nothing, and says what was tried", () => {
  const fake = used(600);
  fake.page(0).fill(0);
  for (let block = 0; block < 20; block++) plantEntry(fake, block, 5_000_000 + block);
  expect(() => rebuild(fake)).toThrow(
    /no geometry fits its index; tried: the pool's size \(2 index pages\): 0 entries/,
  );
});
