import { describe, expect, it } from "vitest";
import { ENOMEM, ENOSPC } from "../../../src/base/errno.js";
import { expectBytes } from "../../support/expectBytes.js";
import { blocksOf, makePool, openPool, type TestPool } from "../../support/testPool.js";
import { type Call, failing, recording } from "../../support/watchedMemory.js";

const PAGE = 4096;
/** 8 grains of 16 pages; pages 0 and 1 are metadata. */
const OPTIONS = { pageCount: 128, grainPages: 16 } as const;
const HOME = 2;

function figures(pool: TestPool): { used: number; stock: number; held: number } {
  expect(pool.accountedPages).toBe(pool.fake.heldPages);
  return { used: pool.pool.account.used, stock: pool.pool.account.stock, held: pool.fake.heldPages };
}

describe("memory in grains", () => {
  it("is accounted from the start: the metadata's grain is there", () => {
    expect(figures(makePool(OPTIONS))).toEqual({ used: 0, stock: 14, held: 16 });
  });

  it("is made with the first page of a grain and goes back with the last", () => {
    const pool = makePool(OPTIONS);
    const grain3 = 3 * 16 - HOME;
    pool.write(grain3 * PAGE, blocksOf(1, 3));
    expect(figures(pool)).toEqual({ used: 3, stock: 14 + 13, held: 32 });
    pool.discard(grain3 * PAGE, PAGE);
    pool.discard((grain3 + 2) * PAGE, PAGE);
    expect(figures(pool)).toEqual({ used: 1, stock: 14 + 15, held: 32 });
    pool.discard((grain3 + 1) * PAGE, PAGE);
    expect(figures(pool)).toEqual({ used: 0, stock: 14, held: 16 });
  });

  it("shows nothing of what a page held before, while its grain stays", () => {
    const pool = makePool(OPTIONS);
    pool.write(40 * PAGE, blocksOf(0xaa, 2));
    pool.discard(40 * PAGE, PAGE);
    pool.reserve(40 * PAGE, PAGE);
    expect(pool.read(40 * PAGE, PAGE).every((byte) => byte === 0)).toBe(true);
    pool.discard(40 * PAGE, PAGE);
    pool.write(40 * PAGE + 10, Uint8Array.of(5));
    expect([...pool.read(40 * PAGE + 9, 3)]).toEqual([0, 5, 0]);
  });

  it("keeps the grain of the metadata for ever", () => {
    const pool = makePool(OPTIONS);
    pool.write(0, blocksOf(1, 14));
    pool.discard(0, 14 * PAGE);
    expect(figures(pool)).toEqual({ used: 0, stock: 14, held: 16 });
  });

  it("is punched grain by grain for a long discard, and in few calls", () => {
    const calls: Call[] = [];
    const pool = makePool({ ...OPTIONS, watch: recording(calls) });
    pool.write(0, blocksOf(1, 60));
    pool.write(60 * PAGE, blocksOf(1, 60));
    calls.length = 0;
    pool.discard(0, 120 * PAGE);
    expect(figures(pool)).toEqual({ used: 0, stock: 14, held: 16 });
    expect(calls.filter((call) => call.verb === "release").length).toBeLessThanOrEqual(8);
  });

  it("is counted the same after it was opened again", () => {
    const pool = makePool(OPTIONS);
    pool.write(20 * PAGE, blocksOf(1, 3));
    pool.write(90 * PAGE, blocksOf(1, 3));
    const before = figures(pool);
    expect(figures(pool.reopen())).toEqual(before);
    expect(figures(openPool(pool.fake))).toEqual(before);
    expect(figures(openPool(pool.fake, { readOnly: true }))).toEqual(before);
  });

  it("that cannot be had is an error, after the stock is used, and blocks nobody", () => {
    const pool = makePool(OPTIONS);
    pool.write(20 * PAGE, blocksOf(1, 1));
    pool.fake.limit(32);
    const { stock } = figures(pool);
    expect(stock).toBe(29);
    expect(pool.write(60 * PAGE, blocksOf(2, 40))).toBe(-ENOSPC);
    expect([figures(pool), pool.pool.account.limbo]).toEqual([{ used: 30, stock: 0, held: 32 }, 0]);
    expectBytes(pool.read(60 * PAGE, 29 * PAGE), blocksOf(2, 29));
    // Nothing of the failed write stands in the way of what comes after.
    pool.discard(0, 120 * PAGE);
    expect([figures(pool).held, pool.pool.account.limbo]).toEqual([16, 0]);
    expect(pool.write(60 * PAGE, blocksOf(3, 1))).toBe(PAGE);
  });

  it("that was made for a claim that failed further on goes back", () => {
    const pool = makePool({ ...OPTIONS, watch: failing("populate", ENOMEM, 4, 100) });
    const result = pool.write(14 * PAGE, blocksOf(2, 48));
    expect(result).toBeLessThan(0);
    const { used, stock, held } = figures(pool);
    expect(used + stock + HOME).toBe(held);
    pool.discard(0, 120 * PAGE);
    expect(figures(pool)).toEqual({ used: 0, stock: 14, held: 16 });
  });
});

it("where nothing can be punched, a page is zeroed before it is used again", () => {
  const pool = makePool({ pageCount: 66, canPunch: false });
  expect(pool.reserve(0, 64 * PAGE)).toBe(0);
  expect(pool.read(0, 64 * PAGE).every((byte) => byte === 0)).toBe(true);
  pool.write(3 * PAGE, blocksOf(9, 4));
  pool.discard(3 * PAGE, 4 * PAGE);
  pool.reserve(3 * PAGE, 4 * PAGE);
  expect(pool.read(3 * PAGE, 4 * PAGE).every((byte) => byte === 0)).toBe(true);
});
