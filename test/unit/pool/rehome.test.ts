import { describe, expect, it } from "vitest";
import { EIO, ENOSPC } from "../../../src/base/errno.js";
import { MediaError, UserError } from "../../../src/base/errors.js";
import { type RehomeOptions, type RehomeReport, rehome } from "../../../src/pool/rehome.js";
import { STATE_DIRECT, STATE_DIRTY, STATE_FORMATTING } from "../../../src/pool/superblock.js";
import { fingerprint, plantEntry } from "../../support/damage.js";
import type { FakeMemory } from "../../support/fakeMemory.js";
import { awayBlocks, isClean, misplaced, requireContents, setState, superblockOf } from "../../support/misplaced.js";
import { blocksOf, formatFake, makePool, openPool } from "../../support/testPool.js";
import { type Call, failing, recording, type Watch, WatchedMemory } from "../../support/watchedMemory.js";

/** 64 data pages, 2 of metadata. */
const POOL = { pageCount: 66 } as const;
const PAGE = 4096;

function run(fake: FakeMemory, options: RehomeOptions & { readonly watch?: Watch } = {}): RehomeReport {
  const { watch, ...rest } = options;
  const memory = watch === undefined ? fake : new WatchedMemory(fake, watch);
  return rehome(memory, superblockOf(fake), rest);
}

/** Blocks `[0, count)` with their pages by a function. */
function pagesBy(count: number, pageOf: (block: number) => number): Map<number, number> {
  return new Map(Array.from({ length: count }, (_, block) => [block, pageOf(block)]));
}

const HOME = { wasDirect: false, away: 0, homeless: 0, thin: false };

describe("rehome brings every block home", () => {
  it.each<readonly [string, Map<number, number>, number]>([
    ["an empty pool", new Map(), 0],
    ["all at home", pagesBy(64, (block) => block), 0],
    ["a run whose home is free", pagesBy(20, (block) => block + 30), 20],
    ["a chain upward", pagesBy(63, (block) => block + 1), 63],
    ["a chain downward", new Map([...pagesBy(63, (block) => block)].map(([block]) => [block + 1, block])), 63],
    ["pairs that swapped", pagesBy(60, (block) => block ^ 1), 60],
    ["one cycle and one free page", pagesBy(63, (block) => (block + 1) % 63), 63],
    ["upside down", pagesBy(60, (block) => 59 - block), 60],
    ["a block from behind the file's pages", new Map([[3, 63]]), 1],
  ])("%s", (_name, pages, moved) => {
    for (const durable of [false, true]) {
      for (const batchPages of [1, 2, 3, 8, 4096]) {
        const { fake, contents } = misplaced({ ...POOL, durable }, pages);
        expect(run(fake, { batchPages }), `batches of ${batchPages}`).toEqual({ ...HOME, moved });
        expect([awayBlocks(fake, contents), isClean(fake), fake.strayStores()]).toEqual([[], true, []]);
        requireContents(fake, contents);
      }
    }
  });

  it("and what it left holds no memory", () => {
    const { fake } = misplaced(
      POOL,
      pagesBy(20, (block) => block + 30),
    );
    const held = fake.heldPages;
    run(fake);
    expect(fake.heldPages).toBe(held);
    expect(openPool(fake).accountedPages).toBe(held);
  });

  it("of a pool with several index pages, and touches no other", () => {
    const pages = new Map([
      [0, 600],
      [600, 0],
      [1500, 7],
    ]);
    const { fake, contents } = misplaced({ pageCount: 3000 }, pages);
    const held = fake.heldPages;
    expect(run(fake)).toEqual({ ...HOME, moved: 3 });
    expect([awayBlocks(fake, contents), fake.heldPages]).toEqual([[], held]);
    requireContents(fake, contents);
  });

  it("of one that was not closed, and gives back what it left lying", () => {
    const { fake, contents } = misplaced(
      { ...POOL, durable: true },
      pagesBy(20, (block) => block + 30),
    );
    setState(fake, STATE_DIRTY);
    fake.populate(5 + 2, 10);
    fake.page(63 + 2).fill(0xee);
    fake.populate(63 + 2, 1);
    expect(run(fake).moved).toBe(20);
    expect([awayBlocks(fake, contents), isClean(fake)]).toEqual([[], true]);
    requireContents(fake, contents);
  });

  it("where memory comes in large pages, and where nothing can be punched", () => {
    for (const options of [{ grainPages: 8 }, { canPunch: false }]) {
      const pool = { pageCount: 128, maxBlocks: 100, ...options };
      const pages = pagesBy(40, (block) => 99 - block);
      pages.set(90, 1);
      const { fake, contents } = misplaced(pool, pages);
      expect(run(fake, { batchPages: 16 })).toEqual({ ...HOME, moved: 41 });
      expect([awayBlocks(fake, contents), isClean(fake)]).toEqual([[], true]);
      const again = openPool(fake);
      if (options.canPunch !== false) expect(fake.heldPages).toBe(again.accountedPages);
      for (const [block, stamp] of contents) expect(again.read(block * PAGE, 1)[0]).toBe(stamp);
    }
  });

  it("needs no more syncs than batches, however long the chain", () => {
    const { fake } = misplaced(
      { pageCount: 1204, durable: true },
      pagesBy(600, (block) => block + 1),
    );
    const calls: Call[] = [];
    expect(run(fake, { batchPages: 100, watch: recording(calls) }).moved).toBe(600);
    const syncs = calls.filter(({ verb }) => verb === "sync").length;
    // 50 blocks a batch come home, two syncs each, and a few to open and close.
    expect(syncs).toBeLessThan(2 * (600 / 50) + 10);
    const copied = calls.filter(({ verb }) => verb === "fill").reduce((sum, { pageCount }) => sum + pageCount, 0);
    expect(copied).toBeLessThanOrEqual(2 * 600);
  });

  it("copies neighbours together", () => {
    const { fake } = misplaced(
      POOL,
      pagesBy(20, (block) => block + 30),
    );
    const calls: Call[] = [];
    run(fake, { watch: recording(calls) });
    expect(calls.filter(({ verb }) => verb === "fill")).toEqual([{ verb: "fill", firstPage: 2, pageCount: 20 }]);
  });

  it("tells how far it is", () => {
    const { fake } = misplaced(
      POOL,
      pagesBy(20, (block) => block + 30),
    );
    const seen: string[] = [];
    run(fake, { batchPages: 10, onProgress: (moved, away) => seen.push(`${moved}/${away}`) });
    expect(seen).toEqual(["10/20", "20/20"]);
  });
});

describe("rehome of a pool in which not all can come home", () => {
  it("leaves blocks without a home, and those whose home they hold, and says so", () => {
    // Blocks 70 and 71 lie beyond the 60 pages; 70 holds the home of 5, which holds that of 6; 1 and 2 are free to go.
    const pages = new Map([
      [70, 5],
      [5, 6],
      [6, 40],
      [71, 41],
      [1, 2],
      [2, 1],
      [3, 50],
    ]);
    const { fake, contents } = misplaced({ pageCount: 62, maxBlocks: 100 }, pages);
    expect(run(fake)).toEqual({ wasDirect: false, moved: 3, away: 4, homeless: 2, thin: true });
    expect([awayBlocks(fake, contents), isClean(fake)]).toEqual([[70, 5, 6, 71], true]);
    requireContents(fake, contents);
    expect(run(fake)).toEqual({ wasDirect: false, moved: 0, away: 4, homeless: 2, thin: true });
  });

  it("of a thin pool whose blocks all have homes brings them home", () => {
    const { fake } = misplaced({ pageCount: 62, maxBlocks: 100 }, new Map([[3, 50]]));
    expect(run(fake)).toEqual({ wasDirect: false, moved: 1, away: 0, homeless: 0, thin: true });
  });

  it("stops without a free page to step aside to", () => {
    const pages = pagesBy(64, (block) => block);
    for (const [block, page] of [
      [8, 9],
      [9, 8],
    ] as const)
      pages.set(block, page);
    const { fake, contents } = misplaced({ ...POOL, durable: true }, pages);
    const reason = "2 blocks occupy each other's home pages, and no page is free to move one aside (ENOSPC)";
    expect(() => run(fake)).toThrow(reason);
    expect(isClean(fake)).toBe(true);
    requireContents(fake, contents);
    const pool = openPool(fake);
    pool.discard(20 * PAGE, PAGE);
    pool.reopen();
    expect(run(fake)).toEqual({ ...HOME, moved: 2 });
  });

  it("with little memory makes do with small batches", () => {
    for (const spare of [1, 3, 20]) {
      const { fake, contents } = misplaced(
        POOL,
        pagesBy(40, (block) => (block + 1) % 40),
      );
      fake.limit(fake.heldPages + spare);
      expect(run(fake), `${spare} pages of memory`).toEqual({ ...HOME, moved: 40 });
      requireContents(fake, contents);
    }
  });

  it("without memory for a copy it stops, and all is as it was", () => {
    const { fake, contents } = misplaced(
      POOL,
      pagesBy(20, (block) => block + 30),
    );
    fake.limit(fake.heldPages);
    expect(() => run(fake)).toThrow("not enough memory to copy a block; nothing is lost (ENOSPC)");
    expect([awayBlocks(fake, contents).length, isClean(fake)]).toEqual([20, true]);
    requireContents(fake, contents);
  });

  it.each([
    ["fill", "a block cannot be copied (EIO)", 1],
    ["sync", "the copies cannot be flushed (EIO)", 3],
    ["sync", "the index cannot be flushed (EIO)", 4],
    ["release", "pages cannot be freed (EIO)", 1],
  ] as const)("stays dirty when %s fails: %s", (verb, message, call) => {
    const { fake, contents } = misplaced(
      { ...POOL, durable: true },
      pagesBy(20, (block) => block + 30),
    );
    expect(() => run(fake, { watch: failing(verb, EIO, call) })).toThrow(message);
    expect(isClean(fake)).toBe(false);
    requireContents(fake, contents);
  });

  it("ENOSPC of a sync is no shortage of pages", () => {
    const { fake } = misplaced(
      { ...POOL, durable: true },
      pagesBy(20, (block) => block + 30),
    );
    expect(() => run(fake, { watch: failing("sync", ENOSPC, 3) })).toThrow("the copies cannot be flushed (ENOSPC)");
    expect(isClean(fake)).toBe(false);
  });
});

describe("rehome changes nothing of", () => {
  it("a damaged pool", () => {
    const { fake } = misplaced(
      POOL,
      pagesBy(20, (block) => block + 30),
    );
    plantEntry(fake, 40, 35);
    const before = fingerprint(fake);
    expect(() => run(fake)).toThrow(MediaError);
    expect(fingerprint(fake).equals(before)).toBe(true);
  });

  it("a pool whose format was cut off", () => {
    const fake = formatFake(POOL);
    setState(fake, STATE_FORMATTING);
    const before = fingerprint(fake);
    expect(() => run(fake)).toThrow("a format was interrupted");
    expect(fingerprint(fake).equals(before)).toBe(true);
  });

  it("a pool left in direct mode, where the index does not count", () => {
    const fake = formatFake(POOL);
    plantEntry(fake, 0, 9);
    const before = fingerprint(fake);
    expect(rehome(fake, { ...superblockOf(fake), state: STATE_DIRECT })).toEqual({
      ...HOME,
      wasDirect: true,
      moved: 0,
    });
    expect(fingerprint(fake).equals(before)).toBe(true);
  });
});

it("a pool misplaced by its own use comes home", () => {
  const pool = makePool({ ...POOL, durable: true });
  // In a durable pool what is discarded stays in limbo until the next flush, so these go elsewhere.
  pool.write(0, blocksOf(1, 20));
  pool.discard(0, 20 * PAGE);
  pool.write(0, blocksOf(2, 20));
  pool.reopen();
  expect(() => run(pool.fake)).not.toThrow(UserError);
  const again = openPool(pool.fake);
  const { firstDataPage } = again.geometry;
  for (let block = 0; block < 20; block++) expect(again.pool.index.get(block)).toBe(firstDataPage + block);
  expect(again.read(0, 20 * PAGE).every((byte) => byte === 2)).toBe(true);
});
