import { describe, expect, it } from "vitest";
import { EIO, ENOSPC } from "../../../src/base/errno.js";
import { MediaError, UserError } from "../../../src/base/errors.js";
import { formatPool } from "../../../src/pool/format.js";
import { chosenGeometry, defaultGeometry } from "../../../src/pool/geometry.js";
import { decode, hasMagic, STATE_CLEAN } from "../../../src/pool/superblock.js";
import { superblockPage } from "../../../src/pool/superblockStore.js";
import { fingerprint } from "../../support/damage.js";
import { FakeMemory } from "../../support/fakeMemory.js";
import { blocksOf, formatFake, formatRequest, makePool, openPool } from "../../support/testPool.js";
import { Cut, cutAfter, failing, type Verb, WatchedMemory } from "../../support/watchedMemory.js";

const PAGE = 4096;

describe("format", () => {
  it("writes what was asked for, and costs one page", () => {
    const geometry = chosenGeometry(100, 5000);
    const fake = FakeMemory.make({ pageCount: 100, metadataPages: geometry.firstDataPage });
    const request = formatRequest(geometry, { blocks: 4000, incompatible: 1 });
    formatPool(fake, request);
    const { label, ...found } = decode(superblockPage(fake), 100);
    expect(found).toEqual({
      geometry,
      blocks: 4000,
      generation: 2,
      state: STATE_CLEAN,
      incompatible: 1,
      readonlyCompatible: 0,
      formattedMs: request.nowMs,
      uuid: request.uuid,
    });
    expect(new TextDecoder().decode(label)).toBe(`test${"\0".repeat(60)}`);
    expect([fake.heldPages, fake.strayStores()]).toEqual([1, []]);
  });

  it("leaves nothing of an earlier pool", () => {
    const old = makePool({ pageCount: 66 });
    old.write(0, blocksOf(0xaa, 64));
    formatPool(old.fake, formatRequest(defaultGeometry(66)));
    expect(old.fake.heldPages).toBe(1);
    const pool = openPool(old.fake);
    expect(pool.read(0, 64 * PAGE).every((byte) => byte === 0)).toBe(true);
    expect(pool.pool.account.used).toBe(0);
  });

  it("leaves nothing of page 0 that others would recognise", () => {
    const isCopy = (at: number): boolean => at % 2048 < 512;
    const geometry = defaultGeometry(66);
    const blank = FakeMemory.make({ pageCount: 66, metadataPages: geometry.firstDataPage });
    for (const fake of [blank, makePool({ pageCount: 66 }).fake]) {
      const page = superblockPage(fake);
      const isPool = hasMagic(page);
      const filled = page.map((byte, at) => (isPool && isCopy(at) ? byte : 0x53));
      fake.metadataWords(0).set(new Int32Array(filled.buffer));
      formatPool(fake, formatRequest(geometry));
      const after = superblockPage(fake);
      expect(decode(after, 66)).toMatchObject({ state: STATE_CLEAN });
      expect(after.every((byte, at) => isCopy(at) || byte === 0)).toBe(true);
    }
  });

  it("refuses a label that is too long before anything is changed", () => {
    const fake = makePool({ pageCount: 66 }).fake;
    const before = fingerprint(fake);
    const label = new Uint8Array(65).fill(97);
    expect(() => formatPool(fake, formatRequest(defaultGeometry(66), { label }))).toThrow("longer than 64 bytes");
    expect(fingerprint(fake).equals(before)).toBe(true);
    formatPool(fake, formatRequest(defaultGeometry(66), { label: label.subarray(1) }));
    expect(decode(superblockPage(fake), 66).label).toEqual(label.subarray(1));
  });

  it.each([
    ["populate", "superblock"],
    ["sync", "superblock"],
    ["release", "index"],
  ] as const)("says what failed when %s does", (verb, what) => {
    const fake = FakeMemory.make({ pageCount: 66, metadataPages: 2 });
    const memory = new WatchedMemory(fake, failing(verb as Verb, EIO));
    expect(() => formatPool(memory, formatRequest(defaultGeometry(66)))).toThrow(`the ${what} cannot be written (EIO)`);
  });
});

describe("format --full", () => {
  it("maps every block to its home page at once", () => {
    const pool = makePool({ pageCount: 1200, full: true });
    const { firstDataPage, dataPages, maxBlocks } = pool.geometry;
    for (let block = 0; block < maxBlocks; block++) expect(pool.pool.index.get(block)).toBe(firstDataPage + block);
    expect(pool.pool.account.used).toBe(dataPages);
    expect(pool.fake.heldPages).toBe(1200);
    expect(pool.read(0, maxBlocks * PAGE).every((byte) => byte === 0)).toBe(true);
    expect(pool.runs).toBe(1);
  });

  it("maps a file that is smaller than its pool, and no more", () => {
    const pool = makePool({ pageCount: 100, maxBlocks: 90, blocks: 50, full: true });
    expect(pool.pool.account.used).toBe(50);
    expect(pool.file.seekHole(0)).toBe(50 * PAGE);
    expect(pool.reopen().pool.account.used).toBe(50);
  });

  it("refuses a file larger than its pool before anything is changed", () => {
    const fake = makePool({ pageCount: 66 }).fake;
    const before = fingerprint(fake);
    const request = formatRequest(chosenGeometry(66, 65), { full: true });
    expect(() => formatPool(fake, request)).toThrow("a file of 65 blocks does not fit into 64 pages (ENOSPC)");
    expect(fingerprint(fake).equals(before)).toBe(true);
  });

  it("without memory enough is an error and no pool", () => {
    const fake = FakeMemory.make({ pageCount: 66, metadataPages: 2, limitPages: 30 });
    expect(() => formatPool(fake, formatRequest(defaultGeometry(66), { full: true }))).toThrow(UserError);
    expect(() => openPool(fake)).toThrow("formatting");
  });
});

/** What a probe finds: the number of used pages, or the field that is refused. */
function outcome(fake: FakeMemory): string {
  try {
    const pool = openPool(fake);
    expect(pool.accountedPages).toBe(fake.heldPages);
    const bytes = pool.read(0, 64 * PAGE);
    return `used ${pool.pool.account.used}, first byte ${bytes[0]}`;
  } catch (error) {
    if (error instanceof MediaError) return error.field;
    throw error;
  }
}

describe("a format that is cut off", () => {
  it.each([
    [false, false],
    [false, true],
    [true, false],
    [true, true],
  ])("after any call leaves no pool, the old one whole, or the new one (durable %s, full %s)", (durable, full) => {
    const seen = new Set<string>();
    for (let calls = 0; ; calls++) {
      const old = makePool({ pageCount: 66, durable });
      old.write(0, blocksOf(0xaa, 64));
      old.reopen();
      const { fake } = old;
      let finished = false;
      try {
        const memory = new WatchedMemory(fake, cutAfter(calls));
        formatPool(memory, formatRequest(defaultGeometry(66), { full }));
        finished = true;
      } catch (error) {
        if (!(error instanceof Cut)) throw error;
      }
      const results = new Set([outcome(fake.copy()), outcome(fake.copy(() => true))]);
      for (let mask = 1; durable && mask < 8; mask++) {
        // A power cut: some pages as they are, some as the media has them.
        results.add(outcome(fake.copy((page) => ((mask >> Math.min(page, 2)) & 1) === 1)));
      }
      for (const result of durable ? results : [outcome(fake.copy())]) seen.add(result);
      if (finished) break;
    }
    const fresh = full ? "used 64, first byte 0" : "used 0, first byte 0";
    expect([...seen].sort()).toEqual([fresh, "state", "used 64, first byte 170"].filter((one) => seen.has(one)).sort());
    expect(seen).toContain("state");
    expect(seen).toContain(fresh);
  });

  it("leaves an unformatted memory unformatted until its state says so", () => {
    const seen: string[] = [];
    for (let calls = 0; calls < 20; calls++) {
      const fake = FakeMemory.make({ pageCount: 66, metadataPages: 2 });
      try {
        formatPool(new WatchedMemory(fake, cutAfter(calls)), formatRequest(defaultGeometry(66)));
      } catch (error) {
        if (!(error instanceof Cut)) throw error;
      }
      seen.push(fake.holds(0) ? outcome(fake) : "nothing");
    }
    expect(new Set(seen)).toEqual(new Set(["nothing", "state", "used 0, first byte 0"]));
    expect(seen.at(-1)).toBe("used 0, first byte 0");
  });

  it("knows ENOSPC as ENOSPC", () => {
    const fake = FakeMemory.make({ pageCount: 66, metadataPages: 2 });
    const memory = new WatchedMemory(fake, failing("populate", ENOSPC));
    expect(() => formatPool(memory, formatRequest(defaultGeometry(66)))).toThrow("(ENOSPC)");
  });
});

it("formatFake gives a pool that opens", () => {
  expect(openPool(formatFake({ pageCount: 3 })).file.sizeBytes).toBe(PAGE);
});
