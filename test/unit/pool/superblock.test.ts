import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { crc32c } from "../../../src/base/bytes.js";
import { MediaError } from "../../../src/base/errors.js";
import { chosenGeometry, MAX_PAGES } from "../../../src/pool/geometry.js";
import {
  COPY_BYTES,
  COPY_OFFSETS,
  decode,
  decodeCopy,
  encode,
  formatUuid,
  hasMagic,
  INCOMPATIBLE_SPLIT,
  isWritable,
  labelBytes,
  layout,
  STATE_CLEAN,
  STATE_DIRECT,
  STATE_DIRTY,
  type Superblock,
} from "../../../src/pool/superblock.js";

const PAGES = 1000;
const sample: Superblock = {
  geometry: chosenGeometry(PAGES, 2000),
  blocks: 1500,
  generation: 7,
  state: STATE_CLEAN,
  incompatible: INCOMPATIBLE_SPLIT,
  readonlyCompatible: 0,
  formattedMs: 1_700_000_000_123,
  uuid: Uint8Array.from({ length: 16 }, (_, i) => 0xf0 + i),
  label: Uint8Array.from({ length: 64 }, (_, i) => (i < 5 ? 0x61 + i : 0)),
};

/** Page 0 with `copy` in the first place. */
function pageOf(copy: Uint8Array, at: number = COPY_OFFSETS[0]): Uint8Array {
  const page = new Uint8Array(4096);
  page.set(copy, at);
  return page;
}

/** The sample with other bytes in it, and a checksum that fits. */
function altered(change: (view: DataView) => void): Uint8Array {
  const copy = encode(sample);
  const view = new DataView(copy.buffer);
  change(view);
  view.setUint32(layout.offset.checksum, crc32c(copy.subarray(0, layout.offset.checksum)), true);
  return pageOf(copy);
}

function mediaError(act: () => unknown): MediaError {
  try {
    act();
  } catch (error) {
    if (error instanceof MediaError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("a superblock", () => {
  it("comes back as it was written", () => {
    expect(decode(pageOf(encode(sample)), PAGES)).toEqual(sample);
    expect(decodeCopy(pageOf(encode(sample), 2048), 2048, PAGES)).toEqual(sample);
  });

  it("comes back for any valid values", () => {
    const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
    const anyGeometry = fc
      .tuple(fc.integer({ min: 3, max: MAX_PAGES }), fc.double({ min: 0, max: 1, noNaN: true }))
      .map(([pages, part]) =>
        chosenGeometry(pages, 1 + Math.floor(part * (Math.min(MAX_PAGES, (pages - 2) * 512) - 1))),
      );
    fc.assert(
      fc.property(
        anyGeometry,
        fc.integer({ min: 1, max: 2 ** 52 }),
        fc.integer({ min: 1, max: 3 }),
        bytes(16),
        bytes(64),
        fc.maxSafeNat(),
        (geometry, generation, state, uuid, label, formattedMs) => {
          const one = { ...sample, geometry, blocks: geometry.maxBlocks, generation, state, uuid, label, formattedMs };
          expect(decode(pageOf(encode(one)), geometry.pageCount)).toEqual(one);
        },
      ),
    );
  });

  it("tells damage of any single byte", () => {
    const page = pageOf(encode(sample));
    for (let at = 0; at < COPY_BYTES; at++) {
      const damaged = page.slice();
      damaged[at] = (damaged[at] as number) ^ 0x40;
      const { field } = mediaError(() => decode(damaged, PAGES));
      expect(field).toBe(at < 8 ? "magic" : "checksum");
    }
  });

  it("knows UUID and label as people write them", () => {
    expect(formatUuid(sample.uuid)).toBe("f0f1f2f3-f4f5-f6f7-f8f9-fafbfcfdfeff");
    expect(new TextDecoder().decode(labelBytes(sample.label))).toBe("abcde");
    expect(labelBytes(new Uint8Array(64).fill(65))).toHaveLength(64);
  });

  it("may be written to unless it has a feature that only readers may ignore", () => {
    expect(isWritable(sample)).toBe(true);
    expect(isWritable({ ...sample, readonlyCompatible: 1 })).toBe(false);
    expect(isWritable({ ...sample, readonlyCompatible: 0x8000_0000 })).toBe(false);
  });
});

describe("a field that is wrong, under a checksum that fits, is named", () => {
  const big = [2n ** 32n, 2n ** 32n + 1000n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n] as const;
  const u32 = (field: keyof typeof layout.offset, value: number) =>
    [field, String(value), altered((view) => view.setUint32(layout.offset[field], value, true))] as const;
  const u64 = (field: keyof typeof layout.offset, value: bigint) =>
    [field, String(value), altered((view) => view.setBigUint64(layout.offset[field], value, true))] as const;

  it.each([
    u32("magic", 0),
    u32("version", 0),
    u32("version", 2),
    u32("version", 0xffff_ffff),
    u32("pageBytes", 0),
    u32("pageBytes", 8192),
    u32("incompatible", 2),
    u32("incompatible", 0x8000_0001),
    u64("pageCount", 0n),
    u64("pageCount", 999n),
    u64("pageCount", 1001n),
    ...big.map((value) => u64("pageCount", value)),
    u64("indexPages", 0n),
    u64("indexPages", 999n),
    ...big.map((value) => u64("indexPages", value)),
    u64("indexEntries", 0n),
    u64("indexEntries", 2049n),
    ...big.map((value) => u64("indexEntries", value)),
    u64("blocks", 2001n),
    ...big.map((value) => u64("blocks", value)),
    u64("generation", 0n),
    ...big.slice(2).map((value) => u64("generation", value)),
    ...big.slice(2).map((value) => u64("formattedMs", value)),
    u32("state", 0),
    u32("state", 5),
    u32("state", 0xffff_ffff),
  ])("%s = %s", (field, _value, page) => {
    const error = mediaError(() => decodeCopy(page, 0, PAGES));
    expect(mediaError(() => decode(page, PAGES)).field).toBe(field);
    expect(error.field).toBe(field);
    expect(error.offsetBytes).toBe(layout.offset[field]);
  });

  it("direct mode needs a page for each block", () => {
    const direct = (maxBlocks: number) => {
      const superblock = { ...sample, geometry: chosenGeometry(PAGES, maxBlocks), blocks: 1, state: STATE_DIRECT };
      return decode(pageOf(encode(superblock)), PAGES);
    };
    expect(mediaError(() => direct(998)).field).toBe("state");
    expect(direct(997).state).toBe(STATE_DIRECT);
  });

  it("sums that would wrap at 2^64 are not what is compared", () => {
    // entries <= pages * 512 and 1 + pages + entries === count hold modulo 2^64.
    const page = altered((view) => {
      view.setBigUint64(layout.offset.indexPages, 2n ** 55n, true);
      view.setBigUint64(layout.offset.indexEntries, 2n ** 64n - 2n ** 55n + 999n, true);
    });
    expect(mediaError(() => decode(page, PAGES)).field).toBe("indexPages");
  });

  it("the pool's size comes from the file, not from the header", () => {
    expect(mediaError(() => decode(pageOf(encode(sample)), PAGES - 1)).field).toBe("pageCount");
    expect(mediaError(() => decode(pageOf(encode(sample)), 2 ** 40)).field).toBe("pageCount");
    expect(mediaError(() => decode(pageOf(encode(sample)), 0)).field).toBe("pageCount");
  });

  it("the place of the second copy is told", () => {
    const copy = encode(sample);
    copy[100] = 1;
    const { field, offsetBytes } = mediaError(() => decodeCopy(pageOf(copy, 2048), 2048, PAGES));
    expect([field, offsetBytes]).toEqual(["checksum", 2048 + 508]);
  });
});

describe("two copies", () => {
  const older = encode(sample);
  const newer = encode({ ...sample, generation: 8, state: STATE_DIRTY });

  it.each([
    [0, 2048],
    [2048, 0],
  ])("the newer wins, at %d and %d", (olderAt, newerAt) => {
    const page = pageOf(older, olderAt);
    page.set(newer, newerAt);
    expect(decode(page, PAGES).generation).toBe(8);
  });

  it("the older counts when the newer is damaged", () => {
    const page = pageOf(older, 2048);
    page.set(newer, 0);
    page[13] = 1;
    expect(decode(page, PAGES)).toEqual(sample);
  });

  it("an older one that is torn at any byte leaves the newer, and the other way round", () => {
    for (let cut = 0; cut <= COPY_BYTES; cut++) {
      const page = pageOf(older, 2048);
      page.set(encode({ ...sample, generation: 6 }), 0);
      page.set(newer.subarray(0, cut), 0);
      // The last bytes may be equal by chance, so whole is what decodes as whole.
      expect([7, 8]).toContain(decode(page, PAGES).generation);
      if (cut === COPY_BYTES) expect(decode(page, PAGES).generation).toBe(8);
    }
  });

  it("the error that says more is told when neither is valid", () => {
    const page = new Uint8Array(4096);
    expect(mediaError(() => decode(page, PAGES)).field).toBe("magic");
    page.set(encode(sample), 2048);
    page[2048 + 300] = 9;
    expect(mediaError(() => decode(page, PAGES)).field).toBe("checksum");
  });
});

describe("hasMagic", () => {
  it("sees a pool in either copy, also a damaged one", () => {
    expect(hasMagic(new Uint8Array(4096))).toBe(false);
    for (const at of COPY_OFFSETS) {
      const page = pageOf(encode(sample), at);
      page.fill(0xff, at + 8, at + 512);
      expect(hasMagic(page)).toBe(true);
    }
    expect(hasMagic(pageOf(encode(sample).fill(1, 7, 8)))).toBe(false);
  });
});
