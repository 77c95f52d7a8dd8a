import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { crc32c, readU64, writeU64 } from "../../../src/base/bytes.js";

describe("64-bit values in two words", () => {
  it.each([0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 48 - 1, 2 ** 53 - 1])(
    "%d comes back",
    (value) => {
      const words = new Int32Array(4);
      writeU64(words, 1, value);
      expect(readU64(words, 1)).toBe(value);
      expect(readU64(new Uint32Array(words.buffer), 1)).toBe(value);
      expect([words[0], words[3]]).toEqual([0, 0]);
    },
  );

  it("any integer below 2^53 is stored little-endian, as DataView has it", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        const words = new Int32Array(2);
        writeU64(words, 0, value);
        expect(new DataView(words.buffer).getBigUint64(0, true)).toBe(BigInt(value));
      }),
    );
  });

  it("a value from 2^53 on is read rounded, but never as a small one", () => {
    const bytes = new DataView(new ArrayBuffer(8));
    for (const value of [2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n]) {
      bytes.setBigUint64(0, value, true);
      expect(readU64(new Int32Array(bytes.buffer), 0)).toBe(Number(value));
    }
  });
});

describe("crc32c", () => {
  const ascending = Uint8Array.from({ length: 32 }, (_, i) => i);

  it.each([
    ["32 zeros", new Uint8Array(32), 0x8a9136aa],
    ["32 bytes of ones", new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ["0 to 31", ascending, 0x46dd794e],
    ["31 to 0", ascending.slice().reverse(), 0x113fdb5c],
    ["123456789", new TextEncoder().encode("123456789"), 0xe3069283],
    ["nothing", new Uint8Array(0), 0],
  ] as const)("of %s is the published one (RFC 3720 B.4)", (_what, bytes, expected) => {
    expect(crc32c(bytes)).toBe(expected);
  });

  it("tells any change of one bit", () => {
    const bytes = ascending.slice();
    const before = crc32c(bytes);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(crc32c(bytes)).not.toBe(before);
      bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
    }
  });
});
