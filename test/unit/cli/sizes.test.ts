import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { UserError } from "../../../src/base/errors.js";
import { formatBytes, parsePageSizeFloor, parseSize } from "../../../src/cli/sizes.js";

const K = 1024;

describe("parseSize", () => {
  it.each([
    ["1", 1],
    ["4096", 4096],
    ["1K", K],
    ["1k", K],
    ["512M", 512 * K ** 2],
    ["512m", 512 * K ** 2],
    ["4G", 4 * K ** 3],
    ["4GiB", 4 * K ** 3],
    ["1.5GiB", 1.5 * K ** 3],
    ["1.5G", 1.5 * K ** 3],
    ["4GB", 4e9],
    ["2.3GB", 2_300_000_000],
    ["0.5K", 512],
    ["1TiB", K ** 4],
    ["7PiB", 7 * K ** 5],
    ["007M", 7 * K ** 2],
  ])("reads %s as %d bytes", (text, bytes) => {
    expect(parseSize(text, "size")).toBe(bytes);
  });

  it.each([
    "",
    " ",
    "0",
    "0M",
    "0.0G",
    "-1",
    "-1G",
    "+1G",
    "1.5",
    ".5G",
    "5.G",
    "1 G",
    " 1G",
    "1G ",
    "G",
    "1Q",
    "1GG",
    "1GiBB",
    "1Gi",
    "1B",
    "0x10",
    "1e3",
    "1,5G",
    "١G",
    "NaN",
    "Infinity",
    "9007199254740992",
    "8PiB",
    "8P",
    "1E",
    "99999999999999999999",
    "0.0001K",
    "1G\n",
  ])("refuses %j", (text) => {
    expect(() => parseSize(text, `size ${text}`)).toThrow(UserError);
  });

  it("names the place, the reason and the forms there are", () => {
    const error = thrown(() => parseSize("12X", "size 12X"));
    expect(error.message).toBe("size 12X: not a size (EINVAL)");
    expect(error.exitCode).toBe(2);
    expect(error.options.cure).toContain("512M");
  });

  it("reads any number of bytes below 2^53, and nothing else", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: 2n ** 60n }), (bytes) => {
        if (bytes < 2n ** 53n) expect(parseSize(String(bytes), "size")).toBe(Number(bytes));
        else expect(() => parseSize(String(bytes), "size")).toThrow(UserError);
      }),
    );
  });

  it("multiplies by the power that the suffix names, exactly", () => {
    const suffixes = fc.constantFrom("K", "M", "G", "T", "P", "k", "m", "g");
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 40 }), suffixes, fc.constantFrom("", "iB", "B"), (n, suffix, tail) => {
        const power = BigInt("KMGTP".indexOf(suffix.toUpperCase()) + 1);
        const expected = BigInt(n) * (tail === "B" ? 1000n : 1024n) ** power;
        const text = `${n}${suffix}${tail}`;
        if (expected < 2n ** 53n) expect(parseSize(text, "size")).toBe(Number(expected));
        else expect(() => parseSize(text, "size")).toThrow(UserError);
      }),
    );
  });

  it("never returns anything but a safe positive integer, whatever it is given", () => {
    const texts = fc.oneof(fc.string(), fc.stringMatching(/^[0-9.]{1,8}[KMGTPEiB]{0,3}$/));
    fc.assert(
      fc.property(texts, (text) => {
        let bytes: number;
        try {
          bytes = parseSize(text, "size");
        } catch (error) {
          expect(error).toBeInstanceOf(UserError);
          return;
        }
        expect(Number.isSafeInteger(bytes) && bytes > 0).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("parsePageSizeFloor", () => {
  it("rounds down to whole pages", () => {
    expect(parsePageSizeFloor("4GB", "size")).toBe(976_562 * 4096);
    expect(parsePageSizeFloor("1G", "size")).toBe(K ** 3);
  });
  it("refuses less than a page", () => {
    expect(() => parsePageSizeFloor("4095", "size 4095")).toThrow("size 4095: smaller than one page of 4096 bytes");
  });
});

describe("formatBytes", () => {
  it.each([
    [0, "0 B"],
    [1, "1 B"],
    [1023, "1023 B"],
    [1024, "1.0 KiB"],
    [1536, "1.5 KiB"],
    [1024 ** 2 - 1, "1.0 MiB"],
    [1024 ** 2, "1.0 MiB"],
    [1.5 * 1024 ** 3, "1.5 GiB"],
    [-2048, "-2.0 KiB"],
    [2 ** 53, "8.0 PiB"],
  ])("writes %d as %s", (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it("stays within 5% of what it is given, in a short text", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (bytes) => {
        const text = formatBytes(bytes);
        expect(text.length).toBeLessThanOrEqual(10);
        const [value = "", unit = ""] = text.split(" ");
        const power = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"].indexOf(unit);
        expect(Math.abs(Number(value) * 1024 ** power - bytes) / bytes).toBeLessThan(0.05);
      }),
    );
  });
});

function thrown(act: () => unknown): UserError {
  try {
    act();
  } catch (error) {
    if (error instanceof UserError) return error;
  }
  throw new Error("no UserError was thrown");
}
