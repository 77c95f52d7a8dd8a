import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BitSet } from "../../../src/base/bitset.js";
import { budget } from "../../support/budget.js";

const SIZE = 200;
const EDGES = [0, 1, 30, 31, 32, 33, 62, 63, 64, 65, 95, 96, 127, 128, 199];
const all = (set: BitSet) => Array.from({ length: SIZE }, (_, bit) => bit).filter((bit) => set.has(bit));

describe("one number", () => {
  it.each(EDGES)("%d is added once and deleted once, alone", (bit) => {
    const set = BitSet.ofSize(SIZE);
    expect([set.add(bit), set.add(bit)]).toEqual([true, false]);
    expect(all(set)).toEqual([bit]);
    expect([set.delete(bit), set.delete(bit)]).toEqual([true, false]);
    expect(all(set)).toEqual([]);
  });

  it.each([2 ** 31 - 1, 2 ** 31, 2 ** 31 + 31])("%d, above bit 31, is no alias of another", (bit) => {
    const set = BitSet.ofSize(2 ** 31 + 100);
    expect(set.addRun(bit, 3)).toBe(3);
    expect([-1, 0, 1, 2, 3].map((by) => set.has(bit + by))).toEqual([false, true, true, true, false]);
    expect(set.next(bit - 40, bit + 100)).toBe(bit);
    expect(set.nextAbsent(bit, bit + 100)).toBe(bit + 3);
  });
});

it("one set over shared words is the same set everywhere", () => {
  const words = new Int32Array(new SharedArrayBuffer(BitSet.wordsFor(SIZE) * 4));
  new BitSet(words).addRun(20, 50);
  expect(new BitSet(words).nextAbsent(20, SIZE)).toBe(70);
});

it("deleting what is not there stores nothing to a word, which could make memory of it", () => {
  const words = new Int32Array(4);
  let stores = 0;
  const { and } = Atomics;
  Atomics.and = ((...args: Parameters<typeof and>) => {
    stores++;
    return and(...args);
  }) as typeof and;
  try {
    expect(new BitSet(words).deleteRun(5, 100)).toBe(false);
  } finally {
    Atomics.and = and;
  }
  expect(stores).toBe(0);
});

it("does what a Set does", () => {
  const step = fc.record({
    verb: fc.constantFrom("addRun", "addAll", "deleteRun", "next", "nextAbsent"),
    from: fc.nat(SIZE - 1),
    count: fc.integer({ min: 0, max: 100 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const set = BitSet.ofSize(SIZE);
      const model = new Set<number>();
      for (const { verb, from, count } of steps) {
        const end = Math.min(SIZE, from + count);
        const range = Array.from({ length: end - from }, (_, i) => from + i);
        if (verb === "addRun") {
          const first = range.find((bit) => model.has(bit)) ?? end;
          expect(set.addRun(from, end - from)).toBe(first - from);
          for (let bit = from; bit < first; bit++) model.add(bit);
        } else if (verb === "addAll") {
          set.addAll(from, end - from);
          for (const bit of range) model.add(bit);
        } else if (verb === "deleteRun") {
          expect(set.deleteRun(from, end - from)).toBe(range.every((bit) => model.has(bit)));
          for (const bit of range) model.delete(bit);
        } else {
          expect(set[verb](from, end)).toBe(range.find((bit) => model.has(bit) === (verb === "next")) ?? end);
        }
      }
      expect(all(set)).toEqual([...model].sort((a, b) => a - b));
    }),
    { numRuns: budget(200) },
  );
});
