/** Atomic writes: whatever is looked at, whenever it is cut off, a block is old or new as a whole. */
import { describe, expect, it } from "vitest";
import { EIO, ENOSPC } from "../../../src/base/errno.js";
import { expectBytes } from "../../support/expectBytes.js";
import type { FakeMemory } from "../../support/fakeMemory.js";
import { blocksOf, makePool, openPool, type TestPool, type TestPoolOptions } from "../../support/testPool.js";
import { type Call, Cut, cutAfter, recording } from "../../support/watchedMemory.js";

const PAGE = 4096;

function atomic(more: Partial<TestPoolOptions> = {}): TestPool {
  return makePool({ pageCount: 34, maxBlocks: 16, atomicWrites: true, ...more });
}

function pages(pool: TestPool, count: number): number[] {
  return Array.from({ length: count }, (_, block) => pool.pool.index.get(block));
}

describe("an overwrite", () => {
  it("of whole blocks goes to new pages, and gives the old ones back", () => {
    const pool = atomic();
    pool.write(0, blocksOf(1, 4));
    const before = pages(pool, 4);
    expect(pool.write(0, blocksOf(2, 4))).toBe(4 * PAGE);
    expect(pages(pool, 4).filter((page) => before.includes(page))).toEqual([]);
    expectBytes(pool.read(0, 4 * PAGE), blocksOf(2, 4), "what was written");
    expect(pool.pool.flushAndDrain()).toBe(0);
    expect([pool.pool.account.used, pool.pool.account.limbo]).toEqual([4, 0]);
    expect(pool.fake.heldPages).toBe(pool.accountedPages);
  });

  it("comes home when its home is free again", () => {
    const pool = atomic();
    pool.write(0, blocksOf(1, 4));
    const home = pages(pool, 4);
    pool.write(0, blocksOf(2, 4));
    pool.pool.flushAndDrain();
    pool.write(0, blocksOf(3, 4));
    expect(pages(pool, 4)).toEqual(home);
  });

  it("of parts keeps the rest of each block", () => {
    const pool = atomic();
    pool.write(0, blocksOf(1, 4));
    const before = pages(pool, 4);
    expect(pool.write(1000, new Uint8Array(2 * PAGE).fill(7))).toBe(2 * PAGE);
    const expected = blocksOf(1, 4);
    expected.fill(7, 1000, 1000 + 2 * PAGE);
    expectBytes(pool.read(0, 4 * PAGE), expected, "the whole");
    expect(pages(pool, 3).filter((page) => before.includes(page))).toEqual([]);
    expect(pages(pool, 4)[3]).toBe(before[3]);
  });

  it("zeroes the edges of a discard on new pages too", () => {
    const pool = atomic();
    pool.write(0, blocksOf(1, 3));
    const before = pages(pool, 3);
    expect(pool.discard(100, 2 * PAGE)).toBe(0);
    const expected = blocksOf(1, 3);
    expected.fill(0, 100, 100 + 2 * PAGE);
    expectBytes(pool.read(0, 3 * PAGE), expected, "the whole");
    const after = pages(pool, 3);
    expect([after[0] === before[0], after[1], after[2] === before[2]]).toEqual([false, 0, false]);
  });

  it("on a full pool takes what limbo gives, page by page, and without any is ENOSPC and changes nothing", () => {
    const tight = atomic({ pageCount: 2 + 17 });
    tight.write(0, blocksOf(1, 16));
    expect(tight.write(0, blocksOf(2, 16))).toBe(16 * PAGE);
    expectBytes(tight.read(0, 16 * PAGE), blocksOf(2, 16), "with one page to spare");
    const full = atomic({ pageCount: 2 + 16 });
    full.write(0, blocksOf(1, 16));
    expect(full.write(0, blocksOf(2, 1))).toBe(-ENOSPC);
    expect(full.discard(10, 10)).toBe(-ENOSPC);
    expectBytes(full.read(0, 16 * PAGE), blocksOf(1, 16), "as it was");
    expect(full.pool.account.used).toBe(16);
  });

  it("of a durable pool swings no entry before the page is on the media", () => {
    const pool = atomic({ durable: true });
    pool.write(0, blocksOf(1, 2));
    const calls: Call[] = [];
    const seen = openPool(pool.fake, {
      atomicWrites: true,
      watch: (call) => {
        // Nothing of the index differs from the media while a page is being put there.
        recording(calls)(call);
        return 0;
      },
    });
    calls.length = 0;
    seen.write(0, blocksOf(2, 2));
    seen.write(5 * PAGE, blocksOf(3));
    expect(calls.map((call) => call.verb)).toEqual(["fill", "sync", "fill", "sync"]);
  });

  it("that the media refuse leaves the block as it was, and stops writes", () => {
    const pool = atomic({ durable: true });
    pool.write(0, blocksOf(1));
    pool.pool.flush();
    let isSick = false;
    const watch = ({ verb }: Call) => (isSick && verb === "sync" ? EIO : 0);
    const failed = openPool(pool.fake, { atomicWrites: true, watch });
    isSick = true;
    expect(failed.write(0, blocksOf(2))).toBe(-EIO);
    expectBytes(failed.read(0, PAGE), blocksOf(1), "as it was");
    expect(failed.write(0, blocksOf(2))).toBe(-EIO);
  });
});

/** Every block is old or new; nothing is a mix. */
function expectWhole(left: FakeMemory, old: number, fresh: number, what: string): void {
  const pool = openPool(left, { atomicWrites: true });
  for (let block = 0; block < 6; block++) {
    const bytes = pool.read(block * PAGE, PAGE);
    const first = bytes[0];
    expect([old, fresh], `${what}: block ${block}`).toContain(first);
    expect(
      bytes.every((byte) => byte === first),
      `${what}: block ${block} is a mix`,
    ).toBe(true);
  }
}

describe("a write that is cut off", () => {
  it.each([true, false])("at any call leaves each block old or new (durable %s)", (durable) => {
    for (let calls = 0; ; calls++) {
      const made = atomic({ durable });
      made.write(0, blocksOf(1, 6));
      // Some blocks away from home, so that there are several runs.
      made.write(2 * PAGE, blocksOf(1));
      const pool = made.reopen();
      let allowed = Number.POSITIVE_INFINITY;
      const cut = cutAfter(calls);
      const watched = openPool(pool.fake, {
        atomicWrites: true,
        watch: (call) => (allowed === 0 ? cut(call) : 0),
      });
      allowed = 0;
      let isDone = false;
      try {
        expect(watched.write(0, blocksOf(2, 6))).toBe(6 * PAGE);
        isDone = true;
      } catch (error) {
        if (!(error instanceof Cut)) throw error;
      }
      expectWhole(watched.fake.copy(), 1, 2, `killed after ${calls} calls`);
      if (durable) {
        for (let mask = 0; mask < 64; mask++) {
          const left = watched.fake.copy((page) => ((mask >> (page % 6)) & 1) === 1);
          expectWhole(left, 1, 2, `power cut after ${calls} calls, pages by ${mask}`);
        }
      }
      if (isDone) break;
    }
  });
});
