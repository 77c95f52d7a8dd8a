/** Pins the media format. A change here is a change of the format: it needs a new version. */
import { expect, it } from "vitest";
import { layOut } from "../../../src/pool/geometry.js";
import * as superblock from "../../../src/pool/superblock.js";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

it("offset and size of every field", () => {
  expect(superblock.layout.offset).toEqual({
    magic: 0,
    version: 8,
    pageBytes: 12,
    pageCount: 16,
    indexPages: 24,
    indexEntries: 32,
    blocks: 40,
    generation: 48,
    state: 56,
    compatible: 60,
    readonlyCompatible: 64,
    incompatible: 68,
    formattedMs: 72,
    uuid: 80,
    label: 96,
    reserved: 160,
    checksum: 508,
  });
  expect(superblock.layout.fields).toEqual({
    magic: ["u32", 2],
    version: "u32",
    pageBytes: "u32",
    pageCount: "u64",
    indexPages: "u64",
    indexEntries: "u64",
    blocks: "u64",
    generation: "u64",
    state: "u32",
    compatible: "u32",
    readonlyCompatible: "u32",
    incompatible: "u32",
    formattedMs: "u64",
    uuid: ["u32", 4],
    label: ["u32", 16],
    reserved: ["u32", 87],
    checksum: "u32",
  });
  expect(superblock.layout.sizeBytes).toBe(512);
});

it("where the copies are, and the constants", () => {
  expect(superblock.COPY_OFFSETS).toEqual([0, 2048]);
  expect(superblock.COPY_BYTES).toBe(512);
  expect(superblock.VERSION).toBe(1);
  expect([superblock.STATE_FORMATTING, superblock.STATE_CLEAN, superblock.STATE_DIRTY]).toEqual([1, 2, 3]);
  expect(superblock.INCOMPATIBLE_SPLIT).toBe(1);
});

it("an example, byte for byte", () => {
  const bytes = superblock.encode({
    geometry: layOut(0x1_0203, 0x81, 0x1_0000),
    blocks: 0xabcd,
    generation: 0x1_0000_0002,
    state: superblock.STATE_DIRTY,
    incompatible: superblock.INCOMPATIBLE_SPLIT,
    readonlyCompatible: 0,
    formattedMs: 0x18b_cfe5_687b,
    uuid: Uint8Array.from({ length: 16 }, (_, i) => i),
    label: new TextEncoder().encode("scratch"),
  });
  expect(hex(bytes.subarray(0, 8))).toBe("6b6d656d66731a00");
  expect(hex(bytes.subarray(8, 160))).toBe(
    [
      "01000000",
      "00100000",
      "0302010000000000",
      "8100000000000000",
      "0000010000000000",
      "cdab000000000000",
      "0200000001000000",
      "03000000",
      "00000000",
      "00000000",
      "01000000",
      "7b68e5cf8b010000",
      "000102030405060708090a0b0c0d0e0f",
      "73637261746368".padEnd(128, "0"),
    ].join(""),
  );
  expect(hex(bytes.subarray(160, 508))).toBe("0".repeat(348 * 2));
  expect(hex(bytes.subarray(508))).toBe("eb94ef4c");
});
