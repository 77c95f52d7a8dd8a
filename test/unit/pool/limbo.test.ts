import { describe, expect, it } from "vitest";
import { EIO, ENOSPC, EROFS } from "../../../src/base/errno.js";
import { LIMBO_RUNS } from "../../../src/pool/sharedState.js";
import { expectBytes } from "../../support/expectBytes.js";
import { blocksOf, makePool, openPool, type TestPool } from "../../support/testPool.js";
import { type Call, failing, recording } from "../../support/watchedMemory.js";

const PAGE = 4096;

/** A pool with the blocks `[0, blocks)` written, each with its number plus 1. */
function written(blocks: number, more: { durable?: boolean; pageCount?: number; maxBlocks?: number } = {}): TestPool {
  const pool = makePool({ pageCount: 66, ...more });
  for (let block = 0; block < blocks; block++) expect(pool.write(block * PAGE, blocksOf(block + 1))).toBe(PAGE);
  return pool;
}

function counts(pool: TestPool): { used: number; limbo: number; held: number } {
  const { used, limbo, metadata } = pool.pool.account;
  return { used, limbo, held: pool.fake.heldPages - metadata };
}

describe("limbo of a volatile pool", () => {
  it("is left at once when nobody else is inside", () => {
    const pool = written(8);
    expect(pool.discard(0, 3 * PAGE)).toBe(0);
    expect(counts(pool)).toEqual({ used: 5, limbo: 0, held: 5 });
  });

  it("keeps a page while an older request is inside, and not for a younger one", () => {
    const pool = written(8);
    const older = pool.join(1);
    const younger = pool.join(2);
    older.file.enter();
    pool.discard(0, 3 * PAGE);
    younger.file.enter();
    expect(counts(pool)).toEqual({ used: 5, limbo: 3, held: 8 });
    expect(pool.fake.page(pool.geometry.firstDataPage)[0]).toBe(1);
    // What is in limbo is nobody's: a new block gets another page.
    pool.write(20 * PAGE, blocksOf(99));
    expect(pool.pool.index.get(20)).toBe(pool.geometry.firstDataPage + 20);
    older.file.leave();
    expect(counts(pool)).toEqual({ used: 6, limbo: 0, held: 6 });
    younger.file.leave();
  });

  it("is left after the reply by 256 pages in 64 runs, and before it by more", () => {
    const large = { pageCount: 1200, maxBlocks: 1024 };
    const left = (blocks: number, step: number): number => {
      const pool = written(600, large);
      for (let block = 1; step === 2 && block < 600; block += 2) pool.discard(block * PAGE, PAGE);
      pool.file.enter();
      expect(pool.file.discard(0, blocks * PAGE)).toBe(0);
      const { limbo } = counts(pool);
      pool.file.leave();
      expect(counts(pool).limbo).toBe(0);
      return limbo;
    };
    expect([left(256, 1), left(257, 1), left(128, 2), left(130, 2)]).toEqual([256, 0, 64, 0]);
  });

  it("gives a block its home page back, also before the discard's request has ended", () => {
    const pool = written(8);
    const other = pool.join(1);
    pool.file.enter();
    pool.file.discard(0, 3 * PAGE);
    expect(counts(pool).limbo).toBe(3);
    expect(other.write(PAGE, blocksOf(77))).toBe(PAGE);
    expect(pool.pool.index.get(1)).toBe(pool.geometry.firstDataPage + 1);
    expect(counts(pool).limbo).toBe(0);
    pool.file.leave();
  });

  it("lets runs go in order, as their requests end", () => {
    const pool = written(8);
    const [first, second] = [pool.join(1), pool.join(2)];
    first.file.enter();
    pool.discard(0, PAGE);
    second.file.enter();
    pool.discard(PAGE, PAGE);
    second.file.leave();
    expect(counts(pool).limbo).toBe(2);
    second.file.enter();
    first.file.leave();
    expect(counts(pool).limbo).toBe(0);
  });

  it("keeps a run that can neither be punched nor zeroed, and tries again", () => {
    const sick = { on: true };
    const watch = (call: Call) => (sick.on && (call.verb === "release" || call.verb === "zero") ? ENOSPC : 0);
    const pool = makePool({ pageCount: 66, watch });
    pool.write(0, blocksOf(1, 4));
    expect(pool.discard(0, 4 * PAGE)).toBe(0);
    expect(counts(pool)).toEqual({ used: 0, limbo: 4, held: 4 });
    sick.on = false;
    pool.read(0, PAGE);
    expect(counts(pool)).toEqual({ used: 0, limbo: 0, held: 0 });
  });

  it("calls pages lost that can neither be punched nor zeroed because of their medium", () => {
    const watch = (call: Call) => (call.verb === "release" || call.verb === "zero" ? EIO : 0);
    const pool = makePool({ pageCount: 66, watch });
    pool.write(0, blocksOf(1, 4));
    pool.discard(0, 4 * PAGE);
    expect(pool.pool.damage.isLoss).toBe(true);
    expect(pool.discard(0, 8 * PAGE)).toBe(-EROFS);
    expect(pool.file.flush()).toBe(-EIO);
  });

  it("is content with zeros where a punch fails", () => {
    const pool = makePool({ pageCount: 66, watch: failing("release", EIO) });
    pool.write(0, blocksOf(1, 2));
    pool.discard(0, 2 * PAGE);
    expect(counts(pool)).toEqual({ used: 0, limbo: 0, held: 2 });
    pool.reserve(0, 2 * PAGE);
    expect(pool.read(0, 2 * PAGE).every((byte) => byte === 0)).toBe(true);
  });
});

describe("limbo of a durable pool", () => {
  it("is left only when the cleared entries are on the media", () => {
    const pool = written(8, { durable: true });
    pool.file.flush();
    pool.discard(0, 3 * PAGE);
    expect(counts(pool)).toEqual({ used: 5, limbo: 3, held: 8 });
    expect(pool.pool.flushAndDrain()).toBe(0);
    expect(counts(pool)).toEqual({ used: 5, limbo: 0, held: 5 });
  });

  it("is left only after the older requests too", () => {
    const pool = written(8, { durable: true });
    const older = pool.join(1);
    older.file.enter();
    pool.discard(0, PAGE);
    pool.pool.flushAndDrain();
    expect(counts(pool).limbo).toBe(1);
    older.file.leave();
    pool.pool.flushAndDrain();
    expect(counts(pool).limbo).toBe(0);
  });

  it("stays as it is when the media fails", () => {
    const pool = makePool({ pageCount: 66, durable: true, watch: failing("sync", EIO, 3) });
    pool.write(0, blocksOf(1, 4));
    pool.discard(0, 2 * PAGE);
    expect(pool.pool.flushAndDrain()).toBe(EIO);
    expect(pool.pool.flushAndDrain()).toBe(EIO);
    expect(counts(pool)).toEqual({ used: 2, limbo: 2, held: 4 });
  });

  it("puts the punches on the media before the pages can be had again", () => {
    const calls: Call[] = [];
    const pool = makePool({ pageCount: 66, durable: true, watch: recording(calls) });
    pool.write(0, blocksOf(1, 4));
    pool.discard(0, 4 * PAGE);
    calls.length = 0;
    pool.pool.flushAndDrain();
    expect(calls.map((call) => call.verb)).toEqual(["sync", "release", "sync"]);
  });
});

describe("a shortage", () => {
  it.each([false, true])("empties limbo before it is told (durable: %s)", (durable) => {
    const pool = makePool({ pageCount: 12, maxBlocks: 100, durable });
    const { dataPages } = pool.geometry;
    expect(pool.write(0, blocksOf(1, dataPages))).toBe(dataPages * PAGE);
    expect(pool.write(50 * PAGE, blocksOf(2))).toBe(-28);
    // Another thread discards and is not yet gone: its pages wait in limbo.
    const other = pool.join(1);
    other.file.enter();
    expect(other.file.discard(0, 4 * PAGE)).toBe(0);
    other.pool.leave();
    expect(pool.write(50 * PAGE, blocksOf(3, 4))).toBe(4 * PAGE);
    expect(pool.write(60 * PAGE, blocksOf(4))).toBe(-28);
    expect([...pool.read(50 * PAGE, 1)]).toEqual([3]);
  });

  it("that limbo cannot end is told", () => {
    const pool = makePool({ pageCount: 12, maxBlocks: 100, durable: true, watch: failing("sync", EIO, 3) });
    const { dataPages } = pool.geometry;
    pool.write(0, blocksOf(1, dataPages));
    pool.discard(0, PAGE);
    expect(pool.write(50 * PAGE, blocksOf(2))).toBe(-28);
    expect(pool.file.flush()).toBe(-EIO);
    expectBytes(pool.read(PAGE, PAGE), blocksOf(1));
  });
});

describe("the ring of limbo", () => {
  it("that is full makes room by itself (every second block: a run each)", () => {
    const blocks = 2 * LIMBO_RUNS + 2000;
    const pool = makePool({ pageCount: blocks + 30, maxBlocks: blocks, durable: true });
    for (let at = 0; at < blocks; at += 64) pool.write(at * PAGE, blocksOf(7, Math.min(64, blocks - at)));
    for (let block = 0; block < blocks; block += 2) pool.discard(block * PAGE, PAGE);
    expect(pool.pool.account.used).toBe(blocks / 2);
    expect(pool.pool.account.limbo).toBeLessThanOrEqual(LIMBO_RUNS);
    expect(pool.fake.heldPages).toBe(pool.accountedPages);
    pool.discard(0, blocks * PAGE);
    pool.pool.flushAndDrain();
    expect(counts(pool)).toEqual({ used: 0, limbo: 0, held: 0 });
  });

  it("that cannot be emptied is an I/O error, and the medium keeps what it had", () => {
    const blocks = 2 * LIMBO_RUNS + 2000;
    const sick = { on: false };
    const watch = (call: Call) => (sick.on && call.verb === "sync" ? EIO : 0);
    const pool = makePool({ pageCount: blocks + 30, maxBlocks: blocks, durable: true, watch });
    for (let at = 0; at < blocks; at += 64) pool.write(at * PAGE, blocksOf(7, Math.min(64, blocks - at)));
    pool.file.flush();
    sick.on = true;
    const results = Array.from({ length: blocks / 2 }, (_, i) => pool.discard(2 * i * PAGE, PAGE));
    expect(new Set(results)).toEqual(new Set([0, -EIO]));
    expect(pool.pool.account.limbo).toBeLessThanOrEqual(LIMBO_RUNS);
    const again = openPool(pool.fake.copy(() => true));
    expectBytes(again.read(0, 100 * PAGE), blocksOf(7, 100));
  });

  it("counts on over 2^32 runs", () => {
    const pool = makePool({ pageCount: 66 });
    const { control } = pool.common.shared;
    for (const word of [16, 17, 18]) control[word] = -3;
    for (let round = 0; round < 8; round++) {
      pool.write(0, blocksOf(round + 1, 2));
      pool.discard(0, 2 * PAGE);
      expect(counts(pool)).toEqual({ used: 0, limbo: 0, held: 0 });
    }
    expect(control[18]).toBe(5);
  });
});
