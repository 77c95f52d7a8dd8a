import { describe, expect, it } from "vitest";
import { AssertionError } from "../../../src/base/assert.js";
import { struct } from "../../../src/base/struct.js";

describe("struct", () => {
  it("derives offsets and words, arrays included", () => {
    const made = struct("sample", 24, { a: "u64", b: "u32", c: ["u16", 2], d: ["u32", 2] });
    expect(made.offset).toEqual({ a: 0, b: 8, c: 12, d: 16 });
    expect(made.word).toEqual({ a: 0, b: 2, c: 3, d: 4 });
    expect([made.name, made.sizeBytes]).toEqual(["sample", 24]);
  });

  it("has no word for a field that does not begin at one", () => {
    expect(struct("halves", 4, { low: "u16", high: "u16" }).word).toEqual({ low: 0, high: -1 });
  });

  it("refuses a size that is not the sum of the fields", () => {
    expect(() => struct("short", 8, { a: "u32" })).toThrow(AssertionError);
    expect(() => struct("short", 8, { a: "u32" })).toThrow("struct short: 4 bytes declared, 8 stated");
  });

  it("refuses padding that C would add and nobody has declared", () => {
    expect(() => struct("holey", 12, { a: "u32", b: "u64" })).toThrow("hidden padding before b");
  });
});
