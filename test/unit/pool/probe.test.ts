import { describe, expect, it } from "vitest";
import { EIO, ENOSPC } from "../../../src/base/errno.js";
import { MediaError, UserError } from "../../../src/base/errors.js";
import { closePool } from "../../../src/pool/probe.js";
import { decode, STATE_CLEAN, STATE_DIRTY, STATE_FORMATTING } from "../../../src/pool/superblock.js";
import { superblockPage } from "../../../src/pool/superblockStore.js";
import { fingerprint, plantEntry, plantSuperblock } from "../../support/damage.js";
import { FakeMemory } from "../../support/fakeMemory.js";
import { Random } from "../../support/random.js";
import { blocksOf, formatFake, makePool, openPool } from "../../support/testPool.js";
import { type Call, failing } from "../../support/watchedMemory.js";
import { Killed } from "../../trials/crash/crashMemory.js";
import { openPool as openLeft } from "../../trials/crash/judge.js";
import { PlainMemory } from "../../trials/crash/plainMemory.js";
import { formatted } from "../../trials/crash/run.js";

const PAGE = 4096;

function refusal(fake: FakeMemory): MediaError {
  try {
    openPool(fake);
  } catch (error) {
    if (error instanceof MediaError) return error;
    throw error;
  }
  throw new Error("the pool was not refused");
}

const stateOf = (fake: FakeMemory) => decode(superblockPage(fake), fake.pageCount).state;

describe("an entry that is not valid refuses the pool", () => {
  /** 60 pages, 2 of metadata, a file of 40 blocks in an index for 50. */
  const make = () => formatFake({ pageCount: 60, maxBlocks: 50, blocks: 40 });

  it.each([
    ["range", "below the data", (fake: FakeMemory) => plantEntry(fake, 3, 1)],
    ["range", "the superblock's page with a high word is told as such", (fake: FakeMemory) => plantEntry(fake, 3, 60)],
    ["range", "far beyond", (fake: FakeMemory) => plantEntry(fake, 3, 0xffff_ffff)],
    ["range", "with bit 31", (fake: FakeMemory) => plantEntry(fake, 3, 0x8000_0002)],
    ["high-word", "a high word of 1", (fake: FakeMemory) => plantEntry(fake, 3, 5, 1)],
    ["high-word", "only a high word", (fake: FakeMemory) => plantEntry(fake, 3, 0, 0x8000_0000)],
    ["padding", "behind the last entry", (fake: FakeMemory) => plantEntry(fake, 50, 5)],
    ["padding", "at the end of the index page", (fake: FakeMemory) => plantEntry(fake, 511, 5)],
    ["beyond-size", "behind the file's end", (fake: FakeMemory) => plantEntry(fake, 40, 5)],
  ])("%s: %s", (kind, _what, damage) => {
    const fake = make();
    damage(fake);
    const before = fingerprint(fake);
    const error = refusal(fake);
    expect(error.field).toBe(`index entry (${kind})`);
    expect(error.offsetBytes).toBeGreaterThanOrEqual(PAGE);
    expect(fingerprint(fake).equals(before)).toBe(true);
  });

  it.each(Array.from({ length: 20 }, (_, i) => i))("at place %d of a run of pages in order", (place) => {
    for (const [page, high, kind] of [
      [2 + place, 1, "high-word"],
      [1, 0, "range"],
      [2 + place + (place < 10 ? 10 : -10), 0, "duplicate"],
    ] as const) {
      const fake = make();
      for (let block = 0; block < 20; block++) plantEntry(fake, block, 2 + block);
      plantEntry(fake, place, page, high);
      expect(refusal(fake).field).toBe(`index entry (${kind})`);
    }
  });

  it("duplicate: two blocks with one page", () => {
    const fake = make();
    plantEntry(fake, 3, 5);
    plantEntry(fake, 30, 5);
    const error = refusal(fake);
    expect(error.field).toBe("index entry (duplicate)");
    expect(error.offsetBytes).toBe(PAGE + 30 * 8);
    expect(error.message).toContain("block 30: page 5 also belongs to an earlier block");
  });

  it("but not read-only, which shows what there is and changes nothing", () => {
    const fake = make();
    const first = openPool(fake);
    first.write(0, blocksOf(7));
    closePool(first.pool);
    plantEntry(fake, 3, 60);
    plantEntry(fake, 9, 5);
    plantEntry(fake, 10, 5);
    plantEntry(fake, 45, 6);
    plantEntry(fake, 50, 7);
    const before = fingerprint(fake);
    const pool = openPool(fake, { readOnly: true });
    expect([...pool.read(0, 1), ...pool.read(PAGE, 1)]).toEqual([7, 0]);
    expect(() => pool.read(3 * PAGE, PAGE)).toThrow(`read: ${-EIO}`);
    expect(pool.write(0, blocksOf(8))).toBe(-30);
    expect(fingerprint(fake).equals(before)).toBe(true);
  });

  it("and the last valid ones do not", () => {
    const fake = make();
    plantEntry(fake, 0, 2);
    plantEntry(fake, 39, 59);
    expect(openPool(fake).pool.account.used).toBe(2);
  });
});

describe("a superblock that is not valid refuses the pool", () => {
  it("that was never formatted, and stays so", () => {
    const fake = FakeMemory.make({ pageCount: 66, metadataPages: 2 });
    fake.populate(0, 1);
    const before = fingerprint(fake);
    expect(refusal(fake).field).toBe("magic");
    expect(fingerprint(fake).equals(before)).toBe(true);
  });

  it("whose format was cut off", () => {
    const fake = formatFake({ pageCount: 66 });
    plantSuperblock(fake, { ...decode(superblockPage(fake), 66), state: STATE_FORMATTING });
    expect(refusal(fake).message).toBe(
      "state at byte 56: expected clean or dirty, found formatting (a format was interrupted)",
    );
  });
});

describe("an open pool", () => {
  it("is dirty until it is closed", () => {
    const fake = formatFake({ pageCount: 66 });
    expect(stateOf(fake)).toBe(STATE_CLEAN);
    const { pool } = openPool(fake);
    expect(stateOf(fake)).toBe(STATE_DIRTY);
    closePool(pool);
    expect(stateOf(fake)).toBe(STATE_CLEAN);
  });

  it("has on the media that it is dirty before anything else is", () => {
    const fake = formatFake({ pageCount: 66, durable: true });
    openPool(fake);
    expect(stateOf(fake.copy(() => true))).toBe(STATE_DIRTY);
  });

  it("that cannot be marked is refused", () => {
    const fake = formatFake({ pageCount: 66, durable: true });
    expect(() => openPool(fake, { watch: failing("sync", EIO, 2) })).toThrow("its superblock cannot be written (EIO)");
  });

  it("knows what was there: data, counts, size, and index pages that hold memory", () => {
    const pool = makePool({ pageCount: 1200, maxBlocks: 4000, blocks: 3000 });
    pool.write(10 * PAGE, blocksOf(1, 3));
    pool.write(2900 * PAGE, blocksOf(2, 2));
    const again = pool.reopen();
    expect([...again.read(11 * PAGE, 1), ...again.read(2901 * PAGE, 1)]).toEqual([1, 2]);
    const { used, metadata, limbo, blocks } = again.pool.account;
    expect([used, metadata, limbo, blocks]).toEqual([5, 3, 0, 3000]);
    expect([again.file.seekData(0), again.file.seekData(13 * PAGE)]).toEqual([10 * PAGE, 2900 * PAGE]);
    expect(again.fake.heldPages).toBe(again.accountedPages);
  });

  it("costs no index page that nobody has used", () => {
    const pool = makePool({ pageCount: 2000, maxBlocks: 500_000 });
    expect(pool.fake.heldPages).toBe(1);
    pool.read(0, PAGE);
    pool.discard(0, pool.file.sizeBytes);
    pool.file.seekData(0);
    expect([pool.fake.heldPages, pool.reopen().fake.heldPages, pool.fake.strayStores()]).toEqual([1, 1, []]);
  });
});

describe("pages that hold memory and that no entry names", () => {
  function withStrays() {
    const pool = makePool({ pageCount: 66 });
    pool.write(0, blocksOf(1, 10));
    // A server that dies after it cleared entries, or before it published them.
    for (const block of [0, 3, 4, 5, 9]) plantEntry(pool.fake, block, 0);
    pool.fake.populate(60, 3);
    return pool.fake;
  }

  it("go back when the pool was not closed", () => {
    const fake = withStrays();
    const pool = openPool(fake);
    expect(fake.heldPages).toBe(pool.accountedPages);
    expect(pool.pool.account.used).toBe(5);
    expect([...pool.read(PAGE, 1), ...pool.read(3 * PAGE, 1)]).toEqual([1, 0]);
  });

  it("go back when a pool that was closed has some: nobody may see what they hold", () => {
    const pool = makePool({ pageCount: 66 });
    closePool(pool.pool);
    pool.fake.populate(10, 2);
    pool.fake.page(10).fill(7);
    const again = openPool(pool.fake);
    expect(pool.fake.heldPages).toBe(again.accountedPages);
    again.reserve(0, 40 * PAGE);
    expect(again.read(0, 40 * PAGE).every((byte) => byte === 0)).toBe(true);
  });

  it("stay when the pool is opened read-only, which changes nothing at all", () => {
    const fake = withStrays();
    const before = fingerprint(fake);
    const held = fake.heldPages;
    const pool = openPool(fake, { readOnly: true });
    expect([...pool.read(PAGE, 1), ...pool.read(3 * PAGE, 1)]).toEqual([1, 0]);
    expect(pool.write(0, blocksOf(1))).toBe(-30);
    expect(pool.discard(0, PAGE)).toBe(-30);
    expect(pool.reserve(0, PAGE)).toBe(-30);
    expect(pool.request((file) => file.resize(PAGE))).toBe(-30);
    expect(fingerprint(fake).equals(before)).toBe(true);
    expect(fake.heldPages).toBe(held);
  });

  it("go back only when no entry on the media names them", () => {
    const pool = makePool({ pageCount: 66, durable: true });
    pool.write(0, blocksOf(1));
    pool.file.flush();
    const { fake } = pool;
    // Killed after its entry was moved and before that was on the media.
    fake.fill(40, 1, 0, fake.baseAddress + 2 * PAGE, PAGE);
    plantEntry(fake, 0, 40);
    const cuts: FakeMemory[] = [];
    const watch = () => {
      cuts.push(fake.copy((page) => page < 2));
      return 0;
    };
    openPool(fake, { watch });
    cuts.push(fake.copy((page) => page < 2));
    for (const cut of cuts)
      expect(
        openPool(cut)
          .read(0, PAGE)
          .every((byte) => byte === 1),
      ).toBe(true);
  });

  it("that cannot go back refuse the pool", () => {
    const fake = withStrays();
    expect(() => openPool(fake, { watch: failing("release", EIO) })).toThrow("unused pages cannot be freed (EIO)");
  });
});

describe("closing", () => {
  it("puts everything on the media before it says clean", () => {
    const cuts: FakeMemory[] = [];
    const fake = formatFake({ pageCount: 66, durable: true });
    const watch = ({ verb }: Call) => {
      // Should power fail while a sync is at work, the superblock may be the only page that got there.
      if (verb === "sync") cuts.push(fake.copy((page) => page !== 0));
      return 0;
    };
    const pool = openPool(fake, { watch });
    pool.write(0, blocksOf(1, 4));
    pool.file.flush();
    pool.write(8 * PAGE, blocksOf(2, 4));
    pool.discard(0, PAGE);
    cuts.length = 0;
    closePool(pool.pool);
    expect(cuts.map(stateOf)).toContain(STATE_CLEAN);
    for (const cut of cuts.filter((one) => stateOf(one) === STATE_CLEAN)) {
      const again = openPool(cut);
      expect([...again.read(8 * PAGE, 1), ...again.read(0, 1)]).toEqual([2, 0]);
      expect(cut.heldPages).toBe(again.accountedPages);
    }
  });

  it("leaves it dirty when the media fails", () => {
    const pool = makePool({ pageCount: 66, durable: true, watch: failing("sync", EIO, 3) });
    pool.write(0, blocksOf(1));
    expect(() => closePool(pool.pool)).toThrow(UserError);
    expect(stateOf(pool.fake)).toBe(STATE_DIRTY);
  });

  it("leaves it dirty when discarded pages cannot go back, so that the next probe sees to them", () => {
    const watch = (call: { verb: string }) => (call.verb === "release" || call.verb === "zero" ? ENOSPC : 0);
    const pool = makePool({ pageCount: 66, watch });
    pool.write(0, blocksOf(0xaa, 4));
    pool.discard(0, 4 * PAGE);
    expect(() => closePool(pool.pool)).toThrow("discarded pages cannot be freed");
    const again = openPool(pool.fake);
    expect(again.fake.heldPages).toBe(again.accountedPages);
    again.reserve(0, 4 * PAGE);
    expect(again.read(0, 4 * PAGE).every((byte) => byte === 0)).toBe(true);
  });

  it("does not wait for threads that ended in mid-request", () => {
    const pool = makePool({ pageCount: 66 });
    pool.write(0, blocksOf(1, 4));
    pool.join(1).file.enter();
    pool.discard(0, 4 * PAGE);
    expect(pool.pool.account.limbo).toBe(4);
    closePool(pool.pool);
    expect([pool.pool.account.limbo, stateOf(pool.fake)]).toEqual([0, STATE_CLEAN]);
  });
});

describe("a pool on a device whose process was killed", () => {
  it("is on the media as it is found before pages that no entry names go back", () => {
    const memory = formatted({ kind: "store", pageCount: 14, maxBlocks: 12 });
    const { file } = openLeft(memory, { atomicWrites: false, own: true });
    memory.sourceBytes.fill(0xaa, 0, PAGE);
    expect(file.write(0, PAGE, memory.sourceAddress)).toBe(PAGE);
    // The entry is cleared in the CPU's cache, and on the media it is not yet.
    memory.killAfter = 0;
    expect(() => file.discard(0, PAGE)).toThrow(Killed);
    memory.killAfter = Number.POSITIVE_INFINITY;
    openLeft(memory, { atomicWrites: false, own: true });
    const left = new PlainMemory(memory.pageCount, memory.metadataPages, memory.kind);
    memory.leaveCut(left, new Random(1), { metadata: 0, data: 0, mask: null });
    expect(openLeft(left, { atomicWrites: false, own: true }).pool.index.get(0)).toBe(0);
  });
});
