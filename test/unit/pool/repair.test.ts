import { describe, expect, it } from "vitest";
import { copyProblems, decode, layout, STATE_DIRTY, STATE_FORMATTING } from "../../../src/pool/superblock.js";
import { superblockPage } from "../../../src/pool/superblockStore.js";
import { fingerprint, plantEntry, plantSuperblock } from "../../support/damage.js";
import type { FakeMemory } from "../../support/fakeMemory.js";
import { checkMemory, repairMemory, undoMemory } from "../../support/repairRun.js";
import { blocksOf, formatFake, makePool, openPool } from "../../support/testPool.js";
import { type Call, Cut, cutAfter, recording, WatchedMemory } from "../../support/watchedMemory.js";

/** Blocks 0 to 5 hold their number plus one; the pool was not closed. */
function used(pageCount = 60, maxBlocks = 50, blocks = 40): FakeMemory {
  const pool = makePool({ pageCount, maxBlocks, blocks });
  for (let block = 0; block < 6; block++) pool.write(block * 4096, blocksOf(block + 1));
  return pool.fake;
}

const entry = (fake: FakeMemory, block: number) => [...fake.metadataWords(0).slice(1024 + 2 * block, 1026 + 2 * block)];

describe("repair", () => {
  it("of a good pool changes nothing and saves nothing", () => {
    const fake = used();
    const before = fingerprint(fake);
    const { summary, undo } = repairMemory(fake);
    expect(summary).toEqual({ lostBlocks: 0, suspectBlocks: 0, clearedEntries: 0, writtenCopies: 0 });
    expect([undo.isEmpty, fingerprint(fake).equals(before)]).toEqual([true, true]);
  });

  it.each([
    ["a page of the metadata", 1, 1, 0],
    ["a page behind the pool", 1, 60, 0],
    ["the largest page number", 1, 0xffff_ffff, 0],
    ["a high word", 1, 3, 7],
  ])("makes a hole of a block that names %s", (_name, block, low, high) => {
    const fake = used();
    plantEntry(fake, block, low, high);
    const { lost, summary } = repairMemory(fake);
    expect([lost, summary.lostBlocks]).toEqual([[block], 1]);
    expect(entry(fake, block)).toEqual([0, 0]);
    expect(checkMemory(fake).findings).toEqual([]);
  });

  it("clears what stands beyond the file, and lists none of it as lost", () => {
    const fake = used();
    plantEntry(fake, 45, 30);
    plantEntry(fake, 50, 31);
    plantEntry(fake, 511, 0, 1);
    const { lost, summary } = repairMemory(fake);
    expect([lost, summary.clearedEntries]).toEqual([[], 3]);
    expect(checkMemory(fake).findings).toEqual([]);
  });

  it("leaves the lowest block its page; the others get copies, at home where that is free", () => {
    const fake = used();
    // Home of block 20 is 22, free; that of 3 is 5, its own page, which no entry names once 3 shares page 2.
    plantEntry(fake, 20, 2);
    plantEntry(fake, 30, 2);
    plantEntry(fake, 10, 32);
    fake.populate(32, 1);
    const { suspect, lost } = repairMemory(fake);
    // Home of block 30 is taken by block 10: the lowest free page it is.
    expect([suspect, lost]).toEqual([
      [
        [20, 2, 22],
        [30, 2, 8],
      ],
      [],
    ]);
    expect(entry(fake, 0)).toEqual([2, 0]);
    for (const page of [22, 8]) expect(fake.page(page)[100]).toBe(1);
    expect(checkMemory(fake)).toMatchObject({ findings: [], usedPages: 9 });
  });

  it("makes a hole of a duplicate for which no page is free", () => {
    const pool = makePool({ pageCount: 8, maxBlocks: 10 });
    for (let block = 0; block < 6; block++) pool.write(block * 4096, blocksOf(block + 1));
    plantEntry(pool.fake, 9, 2);
    expect(repairMemory(pool.fake)).toMatchObject({ lost: [9], suspect: [] });
    expect(checkMemory(pool.fake).findings).toEqual([]);
  });

  it("makes a clean pool dirty, so that the next mount gives strays back", () => {
    const fake = used();
    openPool(fake).reopen();
    const clean = formatFake({ pageCount: 60, maxBlocks: 50, blocks: 40 });
    plantEntry(clean, 45, 9);
    repairMemory(clean);
    expect(decode(superblockPage(clean), 60).state).toBe(STATE_DIRTY);
    expect(checkMemory(clean)).toMatchObject({ state: "dirty", findings: [] });
    openPool(clean);
  });

  it.each([
    ["entries first", false],
    ["copies first", true],
  ])("stores entries only after the copies are on the media (%s)", (_name, copiesFirst) => {
    const fake = used();
    plantEntry(fake, copiesFirst ? 20 : 1, copiesFirst ? 2 : 1);
    plantEntry(fake, copiesFirst ? 1 : 20, copiesFirst ? 1 : 2);
    const calls: Call[] = [];
    const entriesAt: boolean[] = [];
    const memory = new WatchedMemory(fake, (call) => {
      entriesAt.push(entry(fake, 20)[0] !== 2);
      return recording(calls)(call);
    });
    repairMemory(memory);
    const fill = calls.findIndex(({ verb }) => verb === "fill");
    expect(calls[fill + 1]?.verb).toBe("sync");
    expect(entriesAt.slice(0, fill + 2)).toEqual(Array(fill + 2).fill(false));
    expect(entriesAt[fill + 2]).toBe(true);
  });

  it("seals the side file before the first change", () => {
    const fake = used();
    plantEntry(fake, 20, 2);
    const before = fingerprint(fake);
    const refuse = {
      save: () => {},
      made: () => {},
      seal: () => {
        throw new Error("full");
      },
    };
    expect(() => repairMemory(fake, undefined, refuse as never)).toThrow("full");
    expect(fingerprint(fake).equals(before)).toBe(true);
  });

  it("does not invent a pool of a format that was cut off", () => {
    const fake = used();
    plantSuperblock(fake, { ...decode(superblockPage(fake), 60), generation: 4, state: STATE_FORMATTING });
    expect(() => repairMemory(fake)).toThrow("format was interrupted");
  });
});

describe("a copy of the superblock", () => {
  const names = Object.keys(layout.offset) as (keyof typeof layout.offset)[];
  it.each(names.flatMap((field) => [0, 2048].map((at) => [field, at] as const)))(
    "with a bad %s at %d is found and mended",
    (field, at) => {
      const fake = used();
      fake.page(0)[at + layout.offset[field]] ^= 0x55;
      const found = checkMemory(fake).findings;
      expect(new Set(found.map(({ kind }) => kind))).toEqual(new Set(["superblock-copy"]));
      expect(found.some(({ offsetBytes }) => offsetBytes === at + layout.offset.checksum)).toBe(true);
      const before = fingerprint(fake);
      const { undo, summary } = repairMemory(fake);
      expect(summary.writtenCopies).toBe(1);
      expect(checkMemory(fake)).toMatchObject({ findings: [], state: "dirty" });
      expect(repairMemory(fake).undo.isEmpty).toBe(true);
      undoMemory(fake, undo.bytes);
      expect(fingerprint(fake).equals(before)).toBe(true);
    },
  );

  it("all bad fields are told, the first of them by probe", () => {
    const fake = used();
    const view = new DataView(fake.bytes.buffer);
    for (const field of ["version", "pageBytes", "indexPages", "state"] as const) {
      view.setUint32(layout.offset[field], 99, true);
    }
    expect(copyProblems(superblockPage(fake), 0, 60).map(({ field }) => field)).toEqual([
      "checksum",
      "version",
      "pageBytes",
      "indexPages",
      "state",
    ]);
  });

  it("of another pool contradicts the newer one", () => {
    const fake = used();
    const newest = decode(superblockPage(fake), 60);
    plantSuperblock(fake, { ...newest, generation: 4 });
    const other = formatFake({ pageCount: 60, maxBlocks: 50, blocks: 40 });
    plantSuperblock(other, { ...newest, generation: 4, uuid: new Uint8Array(16) });
    fake.page(0).set(other.page(0).subarray(0, 512), 0);
    expect(checkMemory(fake).findings.map(({ message }) => message)).toEqual([
      "the copy of the superblock at byte 0: its uuid differs from that of the newer copy",
    ]);
    repairMemory(fake);
    expect(checkMemory(fake).findings).toEqual([]);
  });
});

describe("undo", () => {
  it("puts everything back, and refuses when the pool was used meanwhile", () => {
    const fake = used();
    plantEntry(fake, 1, 1);
    plantEntry(fake, 20, 2);
    const before = fingerprint(fake);
    const { undo } = repairMemory(fake);
    const repaired = fake.copy();
    expect(undoMemory(fake, undo.bytes)).toEqual({ entries: 2, releasedPages: 1 });
    expect(fingerprint(fake).equals(before)).toBe(true);
    openPool(repaired);
    const mounted = fingerprint(repaired);
    expect(() => undoMemory(repaired, undo.bytes)).toThrow("was changed since the repair");
    expect(fingerprint(repaired).equals(mounted)).toBe(true);
  });

  it("refuses a file with any byte changed or cut off, and changes nothing", () => {
    const fake = used();
    plantEntry(fake, 20, 2);
    const { bytes } = repairMemory(fake).undo;
    const before = fingerprint(fake);
    for (let at = 0; at < bytes.length; at++) {
      const bad = Buffer.from(bytes);
      bad[at] ^= 0x10;
      expect(() => undoMemory(fake, bad), `byte ${at}`).toThrow();
      expect(() => undoMemory(fake, bytes.subarray(0, at)), `cut at ${at}`).toThrow();
    }
    expect(fingerprint(fake).equals(before)).toBe(true);
  });
});

describe("cut off at any call", () => {
  it("a repair ends in the same state when it is run again, and can be undone", () => {
    const start = used();
    plantEntry(start, 1, 1);
    plantEntry(start, 20, 2);
    plantEntry(start, 30, 2);
    plantEntry(start, 31, 3, 4);
    start.page(0)[2048 + 100] ^= 1;
    const whole = start.copy();
    const { undo } = repairMemory(whole);
    for (let allowed = 0; ; allowed++) {
      const cut = start.copy();
      let isCut = false;
      try {
        repairMemory(new WatchedMemory(cut, cutAfter(allowed)));
      } catch (error) {
        if (!(error instanceof Cut)) throw error;
        isCut = true;
      }
      const undone = cut.copy();
      undoMemory(undone, undo.bytes);
      expect(fingerprint(undone).equals(fingerprint(start)), `undone after ${allowed}`).toBe(true);
      repairMemory(cut);
      expect(fingerprint(cut).equals(fingerprint(whole)), `again after ${allowed}`).toBe(true);
      if (!isCut) break;
    }
  });
});
