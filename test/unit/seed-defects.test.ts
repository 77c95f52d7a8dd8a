/** The defects of the seed (seed/README), each with the test that kmemfs does not have it. */
import { describe, expect, it } from "vitest";
import { BitSet } from "../../src/base/bitset.js";
import { EIO, ENOSPC } from "../../src/base/errno.js";
import { type MediaError, UserError } from "../../src/base/errors.js";
import { formatPool } from "../../src/pool/format.js";
import { FreeMap } from "../../src/pool/freeMap.js";
import { defaultGeometry } from "../../src/pool/geometry.js";
import { closePool } from "../../src/pool/probe.js";
import {
  decode,
  encode,
  hasMagic,
  INCOMPATIBLE_SPLIT,
  STATE_CLEAN,
  STATE_DIRTY,
  STATE_FORMATTING,
} from "../../src/pool/superblock.js";
import { superblockPage } from "../../src/pool/superblockStore.js";
import { plantEntry } from "../support/damage.js";
import { expectBytes } from "../support/expectBytes.js";
import { FakeMemory } from "../support/fakeMemory.js";
import { blocksOf, formatFake, formatRequest, makePool, openPool } from "../support/testPool.js";
import { type Call, Cut, cutAfter, recording, WatchedMemory } from "../support/watchedMemory.js";

const PAGE = 4096;
const isZero = (bytes: Uint8Array) => bytes.every((byte) => byte === 0);

describe("the seed's defects", () => {
  it("1: pages at bit 31 and above are no aliases of others", () => {
    const pages = 200;
    const words = new Int32Array(BitSet.wordsFor(pages));
    const map = new FreeMap(words, new Int32Array(BitSet.wordsFor(BitSet.wordsFor(pages))), pages);
    for (const page of [31, 32, 40, 63, 64, 95, 127]) {
      map.claimFrom(page, 1);
      const taken = Array.from({ length: pages }, (_, i) => i).filter((i) => map.isTaken(i));
      expect(taken).toEqual([page]);
      map.free(page, 1);
    }
    // Through the whole pool: a probe finds exactly the mapped pages taken.
    const pool = makePool({ pageCount: 202 });
    for (const block of [31, 32, 40, 63, 64, 95, 127]) pool.write(block * PAGE, blocksOf(block));
    const again = pool.reopen();
    for (let block = 0; block < 200; block++) {
      expect(again.pool.allocator.isTaken(again.geometry.firstDataPage + block)).toBe(
        again.pool.index.get(block) !== 0,
      );
    }
  });

  it("2: what is around a small write in a fresh page is zeros, whatever the page held", () => {
    const pool = makePool({ pageCount: 66, canPunch: false });
    pool.write(0, blocksOf(0xee, 64));
    pool.discard(0, 64 * PAGE);
    pool.write(5 * PAGE + 1000, Uint8Array.of(1));
    const block = pool.read(5 * PAGE, PAGE);
    expect(block[1000]).toBe(1);
    block[1000] = 0;
    expect(isZero(block)).toBe(true);
  });

  it("3: an entry is published after the data is there", () => {
    const seen: number[] = [];
    const fake = formatFake({ pageCount: 66 });
    const watch = ({ verb }: Call) => {
      if (verb === "fill") seen.push(pool.pool.index.get(7));
      return 0;
    };
    const pool = openPool(fake, { watch });
    pool.write(7 * PAGE, blocksOf(1));
    expect(seen).toEqual([0]);
    expect(pool.pool.index.get(7)).not.toBe(0);
  });

  it("4: a write over two blocks that gets one page leaves no block half done", () => {
    const pool = makePool({ pageCount: 12, maxBlocks: 100 });
    const { dataPages } = pool.geometry;
    pool.write(50 * PAGE, blocksOf(1, dataPages - 1));
    expect(pool.write(2 * PAGE + 2048, blocksOf(2))).toBe(-ENOSPC);
    const [first, second] = [pool.read(2 * PAGE, PAGE), pool.read(3 * PAGE, PAGE)];
    const isOld = isZero(first);
    const isNew = isZero(first.subarray(0, 2048)) && first.subarray(2048).every((byte) => byte === 2);
    expect(isOld || isNew).toBe(true);
    expect(isZero(second)).toBe(true);
    // And a block whose page was filled in vain costs nothing.
    expect(pool.fake.heldPages).toBe(pool.accountedPages);
  });

  it("5: a page is not reused while a request that knew it is still copying", () => {
    const pool = makePool({ pageCount: 12, maxBlocks: 100 });
    pool.write(0, blocksOf(1, 4));
    const reader = pool.join(1);
    reader.file.enter();
    const page = reader.pool.index.get(0);
    pool.discard(0, 4 * PAGE);
    for (let block = 20; block < 26; block++) pool.write(block * PAGE, blocksOf(2));
    expectBytes(pool.fake.page(page), blocksOf(1));
    reader.file.leave();
    // The same among real threads: test/model/concurrency.test.ts.
  });

  it("6: a discarded page is freed after the cleared entry is durable, and flush flushes", () => {
    const calls: Call[] = [];
    const pool = makePool({ pageCount: 66, durable: true, watch: recording(calls) });
    pool.write(0, blocksOf(1, 4));
    calls.length = 0;
    pool.discard(0, 4 * PAGE);
    expect(calls).toEqual([]);
    pool.pool.flushAndDrain();
    expect(calls.map((call) => call.verb)).toEqual(["sync", "release", "sync"]);
    pool.write(0, blocksOf(2));
    expect(pool.file.flush()).toBe(0);
    expectBytes(openPool(pool.fake.copy(() => true)).read(0, PAGE), blocksOf(2));
  });

  it("7: bad entries, duplicates and padding on the media refuse the pool by name", () => {
    const make = () => formatFake({ pageCount: 60, maxBlocks: 50 });
    const refused = (...entries: readonly (readonly [number, number])[]) => {
      const fake = make();
      for (const [block, page] of entries) plantEntry(fake, block, page);
      return () => openPool(fake);
    };
    expect(refused([3, 60])).toThrow("index entry (range)");
    expect(refused([3, 1])).toThrow("index entry (range)");
    expect(refused([3, 7], [9, 7])).toThrow("index entry (duplicate)");
    expect(refused([50, 7])).toThrow("index entry (padding)");
  });

  it("8: huge values in the superblock do not wrap past its check", () => {
    const geometry = defaultGeometry(1000);
    const base = { ...decode(superblockPage(formatFake({ pageCount: 1000 })), 1000), geometry };
    for (const indexPages of [2 ** 32, 2 ** 32 + 2, 2 ** 52]) {
      for (const maxBlocks of [997, 2 ** 32 + 997, 2 ** 52 + 996]) {
        const page = new Uint8Array(PAGE);
        page.set(encode({ ...base, geometry: { ...geometry, indexPages, maxBlocks } }));
        expect(() => decode(page, 1000)).toThrow("indexPages");
      }
    }
  });

  it("9: a format that is cut off leaves nothing that looks valid with a random index", () => {
    const outcomes: string[] = [];
    for (let calls = 0; calls < 8; calls++) {
      // All of this memory holds random-looking bytes before.
      const fake = FakeMemory.make({ pageCount: 66, metadataPages: 2, canPunch: false });
      try {
        formatPool(new WatchedMemory(fake, cutAfter(calls)), formatRequest(defaultGeometry(66)));
      } catch (error) {
        if (!(error instanceof Cut)) throw error;
      }
      try {
        outcomes.push(`used ${openPool(fake).pool.account.used}`);
      } catch (error) {
        outcomes.push((error as MediaError).field);
      }
    }
    expect(outcomes).toEqual(["magic", "state", "state", "state", "state", "used 0", "used 0", "used 0"]);
    // Data that is there is recognised: hasMagic for pools, the daemon for file systems.
    expect(hasMagic(superblockPage(formatFake({ pageCount: 66 })))).toBe(true);
  });

  it("10: a clean shutdown keeps every page", () => {
    for (const durable of [false, true]) {
      const pool = makePool({ pageCount: 66, durable });
      pool.write(0, blocksOf(5, 64));
      const again = pool.reopen();
      expectBytes(again.read(0, 64 * PAGE), blocksOf(5, 64));
      expect([again.pool.account.used, again.fake.heldPages]).toEqual([64, 66]);
    }
  });

  it("11: ENOSPC is ENOSPC, from the pool and from the machine, for pages and for the index", () => {
    const thin = makePool({ pageCount: 12, maxBlocks: 100 });
    expect(thin.write(0, blocksOf(1, 20))).toBe(-ENOSPC);
    expect(thin.reserve(0, 100 * PAGE)).toBe(-ENOSPC);
    const full = makePool({ pageCount: 2000, maxBlocks: 3000 });
    full.fake.limit(1);
    expect(full.write(0, blocksOf(1))).toBe(-ENOSPC);
    full.fake.limit(2);
    expect(full.write(0, blocksOf(1))).toBe(-ENOSPC);
    full.fake.limit(3);
    expect(full.write(0, blocksOf(1))).toBe(PAGE);
    const sick = makePool({ pageCount: 66, watch: ({ verb }) => (verb === "fill" ? EIO : 0) });
    expect(sick.write(0, blocksOf(1))).toBe(-EIO);
  });

  it("12: an unaligned discard zeroes its edges, and a reservation keeps the space", () => {
    const pool = makePool({ pageCount: 66 });
    pool.write(0, blocksOf(5, 4));
    expect(pool.discard(100, 3 * PAGE)).toBe(0);
    expectBytes(pool.read(0, 4 * PAGE), blocksOf(5, 4).fill(0, 100, 3 * PAGE + 100));
    expect(pool.pool.account.used).toBe(2);
    expect(pool.reserve(PAGE, 2 * PAGE)).toBe(0);
    expect(pool.pool.account.used).toBe(4);
    expect(isZero(pool.read(PAGE, 2 * PAGE))).toBe(true);
  });

  it("13: a discard ends exactly at the last block", () => {
    const pool = makePool({ pageCount: 600, maxBlocks: 512 });
    pool.write(511 * PAGE, blocksOf(5));
    // The word behind the last entry belongs to the first data page.
    const behind = pool.geometry.firstDataPage;
    const before = pool.fake.page(behind).slice();
    expect(pool.discard(511 * PAGE, 2 * PAGE)).toBe(0);
    expect(pool.discard(512 * PAGE, PAGE)).toBe(0);
    expect(pool.write(512 * PAGE, blocksOf(1))).toBe(-27);
    expect(pool.pool.account.used).toBe(0);
    expectBytes(pool.fake.page(behind), before);
    // In the middle of the file no end clips what is one block too long.
    for (const block of [10, 11, 12]) pool.write(block * PAGE, blocksOf(block));
    expect(pool.discard(10 * PAGE, 2 * PAGE)).toBe(0);
    expect([10, 11, 12].map((block) => pool.pool.index.get(block) !== 0)).toEqual([false, false, true]);
  });

  it("14: state, version, page size, checksum, identity, limit, reservation, counts and size are there", () => {
    const fake = formatFake({ pageCount: 66, blocks: 40 });
    const state = () => decode(superblockPage(fake), 66).state;
    expect(state()).toBe(STATE_CLEAN);
    const pool = openPool(fake);
    expect(state()).toBe(STATE_DIRTY);
    expect(pool.reserve(0, PAGE)).toBe(0);
    expect(pool.request((file) => file.resize(50 * PAGE))).toBe(0);
    const { used, free, peak, metadata } = pool.pool.account;
    expect([used, free, peak, metadata]).toEqual([1, 63, 1, 2]);
    expect(pool.file.maxSizeBytes).toBe(64 * PAGE);
    closePool(pool.pool);
    const { uuid, label, blocks } = decode(superblockPage(fake), 66);
    expect([uuid.length, new TextDecoder().decode(label).replaceAll("\0", ""), blocks]).toEqual([16, "test", 50]);
    for (const [field, at] of [
      ["version", 8],
      ["pageBytes", 12],
    ] as const) {
      // Any change is seen by the checksum; superblock.test.ts changes each field under a checksum that fits.
      const page = superblockPage(fake);
      page[at] = 99;
      page[2048 + at] = 99;
      expect(() => decode(page, 66), field).toThrow("checksum");
    }
    expect([STATE_FORMATTING, INCOMPATIBLE_SPLIT]).toEqual([1, 1]);
  });

  it("15: one or two pages are refused instead of a disk of nothing", () => {
    for (const pages of [0, 1, 2]) expect(() => defaultGeometry(pages)).toThrow(UserError);
    expect(openPool(formatFake({ pageCount: 3 })).file.sizeBytes).toBe(PAGE);
  });
});
