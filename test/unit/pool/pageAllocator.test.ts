import { describe, expect, it } from "vitest";
import { blocksOf, makePool } from "../../support/testPool.js";

const PAGE = 4096;

describe("home first", () => {
  it("gives every block of a file that fits its home page, in whatever order it is written", () => {
    const pool = makePool({ pageCount: 66 });
    const { firstDataPage } = pool.geometry;
    const order = Array.from({ length: 64 }, (_, i) => (i * 37) % 64);
    for (const block of order) pool.write(block * PAGE, blocksOf(block));
    for (const block of order) expect(pool.pool.index.get(block)).toBe(firstDataPage + block);
    pool.read(0, 64 * PAGE);
    expect(pool.runs).toBe(1);
  });

  it("goes back home after a discard", () => {
    const pool = makePool({ pageCount: 66 });
    pool.write(0, blocksOf(1, 64));
    pool.discard(10 * PAGE, 20 * PAGE);
    pool.write(15 * PAGE, blocksOf(2, 5));
    expect(pool.pool.index.get(15)).toBe(pool.geometry.firstDataPage + 15);
  });

  it("puts a block without a home behind its neighbour", () => {
    const pool = makePool({ pageCount: 40, maxBlocks: 1000 });
    const { firstDataPage } = pool.geometry;
    pool.write(500 * PAGE, blocksOf(1));
    const first = pool.pool.index.get(500);
    expect(first).toBeGreaterThanOrEqual(firstDataPage);
    for (let block = 501; block < 520; block++) pool.write(block * PAGE, blocksOf(1));
    for (let block = 501; block < 520; block++) expect(pool.pool.index.get(block)).toBe(first + block - 500);
  });

  it("takes any page when home and the neighbour's are gone, and every page of the pool", () => {
    const pool = makePool({ pageCount: 40, maxBlocks: 1000 });
    const { dataPages } = pool.geometry;
    pool.write(900 * PAGE, blocksOf(1, 5));
    for (let block = 0; block < dataPages - 5; block++) expect(pool.write(block * PAGE, blocksOf(2))).toBe(PAGE);
    const pages = [0, 1, 2, 3, 4].map((i) => pool.pool.index.get(900 + i));
    for (let block = 0; block < dataPages - 5; block++) pages.push(pool.pool.index.get(block));
    expect(new Set(pages).size).toBe(dataPages);
    expect([pool.pool.account.free, pool.write(700 * PAGE, blocksOf(3))]).toEqual([0, -28]);
  });
});
