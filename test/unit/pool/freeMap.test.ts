import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AssertionError } from "../../../src/base/assert.js";
import { BitSet } from "../../../src/base/bitset.js";
import { FreeMap } from "../../../src/pool/freeMap.js";
import { budget } from "../../support/budget.js";
import type { ClaimerInput } from "../../support/threads/claimer.js";
import { runThreads } from "../../support/threads.js";

function makeMap(pages: number) {
  const words = new Int32Array(new SharedArrayBuffer(BitSet.wordsFor(pages) * 4));
  const summary = new Int32Array(new SharedArrayBuffer(BitSet.wordsFor(BitSet.wordsFor(pages)) * 4));
  return { map: new FreeMap(words, summary, pages), words, summary };
}

function takenOf(map: FreeMap): number[] {
  return Array.from({ length: map.pages }, (_, page) => page).filter((page) => map.isTaken(page));
}

describe("one bit a page", () => {
  it.each([0, 1, 30, 31, 32, 33, 62, 63, 64, 65, 95, 96, 127, 128, 1023, 1024, 1025])(
    "page %d is taken alone, and freed alone",
    (page) => {
      const { map } = makeMap(2000);
      expect(map.claimFrom(page, 1)).toBe(1);
      expect(takenOf(map)).toEqual([page]);
      expect(map.claimFrom(page, 1)).toBe(0);
      map.free(page, 1);
      expect(takenOf(map)).toEqual([]);
      expect(map.claimFrom(0, 2000)).toBe(2000);
      map.free(page, 1);
      expect(takenOf(map)).toHaveLength(1999);
      expect(map.isTaken(page)).toBe(false);
      expect(map.findFree(0)).toBe(page);
    },
  );

  it.each([2 ** 31 - 1, 2 ** 31, 2 ** 31 + 31, 2 ** 31 + 63])("page %d of a pool of 8 TiB too", (page) => {
    const { map } = makeMap(2 ** 31 + 100);
    expect(map.claimFrom(page, 3)).toBe(3);
    expect([-1, 0, 1, 2, 3].map((by) => map.isTaken(page + by))).toEqual([false, true, true, true, false]);
    map.free(page, 3);
    expect(map.isTaken(page)).toBe(false);
    expect(map.findFree(page)).toBeGreaterThanOrEqual(page - 31);
  });

  it("needs words enough, and says so", () => {
    expect([0, 1, 32, 33, 1024, 1025].map(BitSet.wordsFor)).toEqual([0, 1, 1, 2, 32, 33]);
    expect(() => new FreeMap(new Int32Array(1), new Int32Array(1), 33)).toThrow(AssertionError);
    expect(() => new FreeMap(new Int32Array(33), new Int32Array(1), 1025)).toThrow(AssertionError);
  });
});

describe("a claim", () => {
  it.each([
    [0, 32],
    [31, 1],
    [31, 2],
    [32, 32],
    [1, 31],
    [1, 64],
    [30, 40],
    [0, 96],
    [63, 130],
    [0, 200],
  ])("from page %d of %d pages is those and no others", (first, count) => {
    const { map } = makeMap(200);
    expect(map.claimFrom(first, count)).toBe(Math.min(count, 200 - first));
    const expected = Array.from({ length: Math.min(count, 200 - first) }, (_, i) => first + i);
    expect(takenOf(map)).toEqual(expected);
    map.free(first, expected.length);
    expect(takenOf(map)).toEqual([]);
  });

  it("ends at the first page that is taken, in any word", () => {
    for (const obstacle of [1, 31, 32, 33, 63, 64, 100]) {
      const { map } = makeMap(128);
      map.claimFrom(obstacle, 1);
      expect(map.claimFrom(0, 128)).toBe(obstacle);
      expect(map.claimFrom(obstacle, 1)).toBe(0);
    }
  });

  it("ends at the last page, and is nothing past it", () => {
    const { map } = makeMap(33);
    expect(map.claimFrom(30, 100)).toBe(3);
    expect(map.claimFrom(33, 1)).toBe(0);
    expect(map.claimFrom(1000, 1)).toBe(0);
  });
});

describe("finding a free page", () => {
  it("looks from the hint on, then from the beginning", () => {
    const { map } = makeMap(3000);
    map.claimFrom(0, 3000);
    map.free(100, 1);
    map.free(2500, 1);
    expect(map.findFree(0)).toBe(100);
    expect(map.findFree(128)).toBe(2500);
    expect(map.findFree(2600)).toBe(100);
    expect(map.findFree(1_000_000)).toBe(100);
  });

  it.each([0, 31, 32, 1023, 1024, 1055, 2046, 2047])("finds page %d when it is the only one", (page) => {
    const { map } = makeMap(2048);
    map.claimFrom(0, 2048);
    expect(map.findFree(0)).toBe(-1);
    map.free(page, 1);
    for (const hint of [0, 1, page, page + 1, 2047, 2048]) expect(map.findFree(hint)).toBe(page);
  });

  it("never names a page past the end, where the last word has bits to spare", () => {
    for (const pages of [1, 31, 33, 63, 65, 1025]) {
      const { map } = makeMap(pages);
      map.claimFrom(0, pages);
      for (const hint of [0, pages - 1, pages]) expect(map.findFree(hint)).toBe(-1);
    }
  });

  it("does not trust the summary: a word that is marked as full and is not, is still found", () => {
    const { map, summary } = makeMap(2048);
    summary.fill(-1);
    expect(map.findFree(700)).toBe(0);
    expect(map.findFree(0)).toBe(0);
  });

  it("has a summary bit for exactly the full words, when nobody is at work", () => {
    const { map, summary } = makeMap(2048);
    map.claimFrom(0, 1024 + 32);
    expect([...summary]).toEqual([-1, 1]);
    map.free(33, 1);
    expect([...summary]).toEqual([-1 & ~2, 1]);
  });
});

it("freeing what is free is a broken invariant", () => {
  const { map } = makeMap(64);
  expect(() => map.free(0, 1)).toThrow(AssertionError);
  map.claimFrom(0, 40);
  expect(() => map.free(39, 2)).toThrow("page freed that was free already");
});

describe("against a Set", () => {
  it("the same random claims and frees give the same pages", () => {
    const step = fc.record({
      isClaim: fc.boolean(),
      page: fc.nat(299),
      count: fc.integer({ min: 1, max: 100 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { map } = makeMap(300);
        const model = new Set<number>();
        for (const { isClaim, page, count } of steps) {
          let run = 0;
          while (run < count && page + run < 300 && model.has(page + run) !== isClaim) run++;
          if (isClaim) expect(map.claimFrom(page, count)).toBe(run);
          else if (run > 0) map.free(page, run);
          for (let i = 0; i < run; i++) isClaim ? model.add(page + i) : model.delete(page + i);
          const free = map.findFree(page);
          if (model.size === 300) expect(free).toBe(-1);
          else expect(model.has(free)).toBe(false);
        }
        expect(takenOf(map)).toEqual([...model].sort((a, b) => a - b));
      }),
      { numRuns: budget(200) },
    );
  });
});

describe("four threads", () => {
  it.each([40, 1000, 5000])("never claim one of %d pages twice, and leave none taken", async (pages) => {
    const { map, words, summary } = makeMap(pages);
    const owners = new Int32Array(new SharedArrayBuffer(pages * 4));
    const inputs = [0, 1, 2, 3].map(
      (thread): ClaimerInput => ({ words, summary, owners, pages, thread, rounds: budget(20_000) }),
    );
    expect((await runThreads<string[]>("claimer", inputs)).flat()).toEqual([]);
    expect(takenOf(map)).toEqual([]);
    // What the summary hides for a moment must not stay hidden.
    expect(map.findFree(0)).toBe(0);
    expect(map.claimFrom(0, pages)).toBe(pages);
  });
});
