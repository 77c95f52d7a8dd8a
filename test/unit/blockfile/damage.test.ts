/** Damage that is met while the pool is open: EIO for what is concerned, and nothing is changed any more. */
import { describe, expect, it } from "vitest";
import { EIO, EROFS } from "../../../src/base/errno.js";
import { DAMAGE, describeDamage } from "../../../src/pool/damage.js";
import { closePool } from "../../../src/pool/probe.js";
import { decode, STATE_DIRTY } from "../../../src/pool/superblock.js";
import { superblockPage } from "../../../src/pool/superblockStore.js";
import { fingerprint, plantEntry } from "../../support/damage.js";
import { expectBytes } from "../../support/expectBytes.js";
import { blocksOf, makePool } from "../../support/testPool.js";

const PAGE = 4096;

function damaged(low: number, high = 0) {
  const pool = makePool({ pageCount: 66 });
  pool.write(0, blocksOf(1, 10));
  plantEntry(pool.fake, 4, low, high);
  return pool;
}

describe.each<readonly [string, number, number]>([
  ["names a page behind the pool", 66, 0],
  ["names the superblock's neighbour", 1, 0],
  ["names the largest number", 0xffff_ffff, 0],
  ["has a high word", 6, 1],
  ["has nothing but a high word", 0, 1],
])("an entry that %s", (_name, low, high) => {
  it("is EIO for its block alone, and the disk is read-only from then on", () => {
    const pool = damaged(low, high);
    expectBytes(pool.read(0, 4 * PAGE), blocksOf(1, 4), "the blocks before");
    expect(pool.write(0, blocksOf(2))).toBe(PAGE);
    expect(() => pool.read(4 * PAGE, PAGE)).toThrow(`${-EIO}`);
    expect(() => pool.read(3 * PAGE, 3 * PAGE)).toThrow(`${-EIO}`);
    expectBytes(pool.read(5 * PAGE, 5 * PAGE), blocksOf(1, 5), "the blocks behind");
    const before = fingerprint(pool.fake);
    expect(pool.write(0, blocksOf(3))).toBe(-EROFS);
    expect(pool.discard(0, 64 * PAGE)).toBe(-EROFS);
    expect(pool.reserve(0, PAGE)).toBe(-EROFS);
    expect(pool.request((file) => file.resize(PAGE))).toBe(-EROFS);
    expect(fingerprint(pool.fake).equals(before)).toBe(true);
    expect([pool.pool.damage.kind, pool.pool.damage.block]).toEqual([DAMAGE.entry, 4]);
    expect(describeDamage(pool.pool.damage)).toMatch(/^block 4: its index entry points to page \d+, which is not one/);
  });

  it("is met by a write, a discard and its edges as well", () => {
    for (const act of [
      (pool: ReturnType<typeof damaged>) => pool.write(4 * PAGE, blocksOf(2)),
      (pool: ReturnType<typeof damaged>) => pool.discard(0, 8 * PAGE),
      (pool: ReturnType<typeof damaged>) => pool.discard(4 * PAGE + 1, 10),
    ]) {
      const pool = damaged(low, high);
      expect(act(pool)).toBe(-EIO);
      expect(pool.pool.damage.block).toBe(4);
      const words = pool.fake.metadataWords(0);
      expect(words[(PAGE + 4 * 8) / 4] >>> 0, "it stays for check to find").toBe(low);
    }
  });

  it("keeps the pool from being closed as clean", () => {
    const pool = damaged(low, high);
    expect(() => pool.read(4 * PAGE, PAGE)).toThrow();
    expect(() => closePool(pool.pool)).toThrow("damaged");
    expect(decode(superblockPage(pool.fake), 66).state).toBe(STATE_DIRTY);
  });
});

describe("a backing that became shorter", () => {
  it("is EIO for what is gone, and what is left can be read", () => {
    const pool = makePool({ pageCount: 66 });
    pool.write(0, blocksOf(1, 60));
    pool.pool.damage.noteTruncated(2 + 40);
    expectBytes(pool.read(0, 40 * PAGE), blocksOf(1, 40), "what is left");
    expect(() => pool.read(39 * PAGE, 2 * PAGE)).toThrow(`${-EIO}`);
    expect(() => pool.read(45 * PAGE, PAGE)).toThrow(`${-EIO}`);
    expect(pool.read(61 * PAGE, PAGE).every((byte) => byte === 0)).toBe(true);
    expect(pool.write(0, blocksOf(2))).toBe(-EROFS);
    // Growing again brings nothing back, getting shorter still takes more.
    pool.pool.damage.noteTruncated(2 + 50);
    expect(() => pool.read(45 * PAGE, PAGE)).toThrow(`${-EIO}`);
    pool.pool.damage.noteTruncated(0);
    expect(() => pool.read(0, PAGE)).toThrow(`${-EIO}`);
    expect(describeDamage(pool.pool.damage)).toBe("another process truncated the pool, which now ends before page 42");
  });
});

describe("faults on lost memory", () => {
  const readable = (count: number, first: number, last: number): boolean[] => {
    const pool = makePool({ pageCount: 1026 });
    for (let block = 0; block < 900; block += 60) pool.write(block * PAGE, blocksOf(1, 60));
    const { memory, damage, geometry } = pool.pool;
    const addressOf = (block: number): number => memory.baseAddress + (geometry.firstDataPage + block) * PAGE;
    damage.noteFaults(
      { count, firstAddress: addressOf(first), lastAddress: addressOf(last) },
      memory,
      geometry.firstDataPage,
    );
    return [300, first - 1, first, first + 1, last, last + 1].map((block) => {
      try {
        return pool.read(block * PAGE, PAGE).length === PAGE;
      } catch {
        return false;
      }
    });
  };

  it("two are told apart by their addresses", () => {
    expect(readable(2, 700, 720)).toEqual([true, true, false, true, false, true]);
  });

  it("of more, none of the pages of a write between them can be read", () => {
    expect(readable(3, 700, 720)).toEqual([true, false, false, false, false, false]);
  });
});
