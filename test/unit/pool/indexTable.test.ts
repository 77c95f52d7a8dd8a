import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BitSet } from "../../../src/base/bitset.js";
import { ENOSPC } from "../../../src/base/errno.js";
import { type Memory, WINDOW_BYTES } from "../../../src/base/ports.js";
import { ACCOUNT_WORDS, Account } from "../../../src/pool/account.js";
import { chosenGeometry, type Geometry, MAX_PAGES } from "../../../src/pool/geometry.js";
import { endOfIndexPage, IndexTable } from "../../../src/pool/indexTable.js";
import { FakeMemory } from "../../support/fakeMemory.js";

function makeTable(geometry: Geometry, memory: Memory) {
  const account = new Account(new Int32Array(new SharedArrayBuffer(ACCOUNT_WORDS * 4)), geometry.dataPages);
  const present = new Int32Array(new SharedArrayBuffer(BitSet.wordsFor(geometry.indexPages) * 4));
  return { index: new IndexTable(memory, geometry, present, account), account };
}

function makeSmall(maxBlocks = 40 * 512, pageCount = 60) {
  const geometry = chosenGeometry(pageCount, maxBlocks);
  const fake = FakeMemory.make({ pageCount, metadataPages: geometry.firstDataPage });
  return { fake, geometry, ...makeTable(geometry, fake) };
}

describe("an entry", () => {
  it("is a hole until it is published, and again when it is cleared", () => {
    const { index } = makeSmall();
    expect(index.get(700)).toBe(0);
    expect(index.ensurePresent(700)).toBe(0);
    expect(index.publish(700, 45)).toBe(true);
    expect([index.get(699), index.get(700), index.get(701)]).toEqual([0, 45, 0]);
    expect(index.clear(700)).toBe(45);
    expect(index.clear(700)).toBe(0);
    expect(index.get(700)).toBe(0);
  });

  it("that is mapped is not overwritten", () => {
    const { index } = makeSmall();
    index.ensurePresent(0);
    expect(index.publish(0, 45)).toBe(true);
    expect(index.publish(0, 46)).toBe(false);
    expect(index.get(0)).toBe(45);
  });

  it("stands at its place on the media: 8 bytes, little-endian, the high half zero", () => {
    const { index, fake } = makeSmall();
    index.ensurePresent(513);
    index.publish(513, 0x12345678);
    const at = 4096 + 513 * 8;
    expect(Buffer.from(fake.bytes.subarray(at, at + 8)).toString("hex")).toBe("7856341200000000");
  });
});

describe("a run", () => {
  it("ends where the next entry names another page, is a hole, or has no index page", () => {
    const { index, fake } = makeSmall();
    for (const [block, page] of [
      [510, 44],
      [511, 45],
      [512, 46],
      [513, 47],
      [514, 50],
    ] as const) {
      index.ensurePresent(block);
      index.publish(block, page);
    }
    expect(index.endOfRun(510, 600, 44)).toBe(514);
    expect(index.endOfRun(510, 513, 44)).toBe(513);
    expect(index.endOfRun(510, 600, 45)).toBe(510);
    expect(index.endOfRun(514, 600, 50)).toBe(515);
    for (let block = 1022; block < 1024; block++) {
      index.ensurePresent(block);
      index.publish(block, 52 + block - 1022);
    }
    // What an index page without memory would read as is nobody's to see.
    fake.metadataWords(0)[1024 + 2 * 1024] = 54;
    fake.metadataWords(0)[1024 + 2 * 1024 + 1] = 0;
    expect(index.endOfRun(1022, 1100, 52)).toBe(1024);
  });

  it("of mapped blocks or holes ends at a damaged entry, whichever half of it is", () => {
    const { index, fake } = makeSmall();
    for (let block = 0; block < 4; block++) {
      index.ensurePresent(block);
      index.publish(block, 44 + block);
    }
    const words = fake.metadataWords(0);
    words[1024 + 2 * 2 + 1] = 7;
    expect(index.endOfRun(0, 4, 44)).toBe(2);
    words[1024 + 2 * 20 + 1] = 7;
    expect(index.nextMapped(4, 512)).toBe(20);
    expect(index.nextHole(20, 512)).toBe(21);
  });
});

describe("index pages without memory", () => {
  it("are 512 holes and are never touched by looking", () => {
    const { index, fake, geometry } = makeSmall();
    const end = geometry.maxBlocks;
    for (let block = 0; block < end; block += 37) expect(index.get(block)).toBe(0);
    expect(index.nextMapped(0, end)).toBe(end);
    expect(index.nextHole(5, end)).toBe(5);
    expect(index.nextPresent(0, end)).toBe(end);
    expect([fake.heldPages, fake.strayStores()]).toEqual([0, []]);
  });

  it("are made one at a time, once, and counted", () => {
    const { index, fake, account } = makeSmall();
    for (const block of [512, 513, 1023, 512]) expect(index.ensurePresent(block)).toBe(0);
    expect([fake.heldPages, account.metadata, fake.holds(2)]).toEqual([1, 1, true]);
    expect([index.isPresent(511), index.isPresent(512), index.isPresent(1023), index.isPresent(1024)]).toEqual([
      false,
      true,
      true,
      false,
    ]);
    expect(Array.from({ length: 512 }, (_, i) => index.get(512 + i)).every((page) => page === 0)).toBe(true);
  });

  it("that cannot be made stay absent", () => {
    const { index, fake, account } = makeSmall();
    fake.limit(0);
    expect(index.ensurePresent(3)).toBe(ENOSPC);
    expect([index.isPresent(3), account.metadata, fake.heldPages]).toEqual([false, 0, 0]);
  });

  it.each([0, 30, 31, 32, 33, 63, 64, 65])("number %d is found among those that are absent", (indexPage) => {
    const { index } = makeSmall(70 * 512, 80);
    const end = 70 * 512;
    index.ensurePresent(indexPage * 512 + 100);
    expect(index.nextPresent(0, end)).toBe(indexPage * 512);
    expect(index.nextPresent(indexPage * 512 + 511, end)).toBe(indexPage * 512 + 511);
    expect(index.nextPresent((indexPage + 1) * 512, end)).toBe(end);
    expect(index.nextPresent(0, indexPage * 512)).toBe(indexPage * 512);
  });
});

describe("searches", () => {
  it("agree with a naive look at every block", () => {
    const blocks = 40 * 512;
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.nat(blocks - 1), { maxLength: 40 }),
        fc.array(fc.tuple(fc.nat(blocks), fc.nat(blocks)), { maxLength: 20 }),
        (mapped, ranges) => {
          const { index } = makeSmall(blocks);
          for (const [i, block] of mapped.entries()) {
            index.ensurePresent(block);
            index.publish(block, 42 + i);
          }
          const known = new Set(mapped);
          for (const [from, end] of ranges.map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const)) {
            let data = from;
            while (data < end && !known.has(data)) data++;
            let hole = from;
            while (hole < end && known.has(hole)) hole++;
            expect([index.nextMapped(from, end), index.nextHole(from, end)]).toEqual([data, hole]);
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  it("know where an index page ends", () => {
    expect([0, 511, 512, MAX_PAGES - 1].map(endOfIndexPage)).toEqual([512, 512, 1024, MAX_PAGES]);
  });

  it("tell data pages from others", () => {
    const { index, geometry } = makeSmall();
    const { firstDataPage, pageCount } = geometry;
    expect(
      [0, 1, firstDataPage - 1, firstDataPage, pageCount - 1, pageCount, 2 ** 32 - 1].map((p) => index.isDataPage(p)),
    ).toEqual([false, false, false, true, true, false, false]);
  });
});

describe("an index of more than one window", () => {
  /** Windows that are made when they are asked for; nothing but metadata. */
  function makeWide(geometry: Geometry): Memory {
    const windows = new Map<number, Int32Array>();
    const fake = FakeMemory.make({ pageCount: 4, metadataPages: 2 });
    return Object.assign(Object.create(fake) as Memory, {
      pageCount: geometry.pageCount,
      populate: () => 0,
      metadataWords: (windowNo: number) => {
        const bytes = Math.min(WINDOW_BYTES, geometry.firstDataPage * 4096 - windowNo * WINDOW_BYTES);
        const words = windows.get(windowNo) ?? new Int32Array(new SharedArrayBuffer(bytes));
        windows.set(windowNo, words);
        return words;
      },
    });
  }

  it("has each entry once, also around the border and for pages beyond 2^31", () => {
    const border = WINDOW_BYTES / 8 - 512;
    const geometry = chosenGeometry(MAX_PAGES, border + 2048);
    const memory = makeWide(geometry);
    const { index } = makeTable(geometry, memory);
    const blocks = [0, 1, border - 1, border, border + 1, border + 2047];
    for (const [i, block] of blocks.entries()) {
      expect(index.ensurePresent(block)).toBe(0);
      expect(index.publish(block, 2 ** 31 - 2 + i)).toBe(true);
      expect(index.publish(block, 7)).toBe(false);
    }
    expect(blocks.map((block) => index.get(block))).toEqual(blocks.map((_, i) => 2 ** 31 - 2 + i));
    expect([memory.metadataWords(0).at(-2), memory.metadataWords(1)[0]]).toEqual([(2 ** 31) | 0, (2 ** 31 + 1) | 0]);
    expect(index.publish(5, MAX_PAGES - 1)).toBe(true);
    expect([index.get(5), index.clear(5)]).toEqual([MAX_PAGES - 1, MAX_PAGES - 1]);
    expect(index.nextMapped(2, geometry.maxBlocks)).toBe(border - 1);
    expect(blocks.map((block) => index.clear(block))).toEqual(blocks.map((_, i) => 2 ** 31 - 2 + i));
  });
});
