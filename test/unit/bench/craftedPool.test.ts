import { describe, expect, it } from "vitest";
import { homeEntries, layoutOf, metadataFile } from "../../../bench/craftedPool.js";
import { chosenGeometry } from "../../../src/pool/geometry.js";
import { COPY_OFFSETS, encode, STATE_CLEAN, type Superblock } from "../../../src/pool/superblock.js";

const superblock: Superblock = {
  geometry: chosenGeometry(4000, 2000),
  blocks: 1500,
  generation: 1,
  state: STATE_CLEAN,
  incompatible: 0,
  readonlyCompatible: 0,
  formattedMs: 0,
  uuid: new Uint8Array(16),
  label: new Uint8Array(),
};

describe("layoutOf", () => {
  it.each([0, 1])("takes the newer copy, number %d", (newer) => {
    const page = Buffer.alloc(4096);
    page.set(encode({ ...superblock, blocks: 7 }), COPY_OFFSETS[1 - newer]);
    page.set(encode({ ...superblock, generation: 2 }), COPY_OFFSETS[newer]);
    expect(layoutOf(page)).toEqual({ indexPages: superblock.geometry.indexPages, blocks: 1500 });
  });
});

describe("homeEntries", () => {
  it("has each block's home page in the low word", () => {
    const bytes = homeEntries(512, 2, 4);
    expect([...new Uint32Array(bytes.buffer)]).toEqual([1 + 4 + 512, 0, 1 + 4 + 513, 0]);
  });
});

describe("metadataFile", () => {
  it("is a file of its own in a split pool", () => {
    expect(metadataFile("/p", "direct")).toBe("/p/meta");
    expect(metadataFile("/p", "served")).toBe("/p");
  });
});
