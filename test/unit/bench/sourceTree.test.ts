import { createHash } from "node:crypto";
import { deflateSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { sourceTree } from "../../../bench/sourceTree.js";

describe("sourceTree", () => {
  const files = [...sourceTree(true)];

  it("has thousands of small files of the sizes that it says", () => {
    const sizes = files.map(({ content }) => content.length);
    const total = sizes.reduce((sum, bytes) => sum + bytes, 0);
    expect(files.length).toBe(6000);
    expect(new Set(files.map(({ path }) => path)).size).toBe(files.length);
    expect(Math.min(...sizes)).toBeGreaterThanOrEqual(200);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(100_000);
    expect(total / 1e6).toBeGreaterThan(80);
    expect(total / 1e6).toBeLessThan(110);
  });
  it("is the same each time", () => {
    const digest = (tree: typeof files): string => {
      const hash = createHash("sha256");
      for (const { path, content } of tree) hash.update(path).update(content);
      return hash.digest("hex");
    };
    expect(digest([...sourceTree(true)])).toBe(digest(files));
  });
  it("has as many files of noise, which does not compress", () => {
    const noise = [...sourceTree(false)];
    const share = ([first]: typeof files) => deflateSync(first!.content).length / first!.content.length;
    expect(noise.map(({ path }) => path)).toEqual(files.map(({ path }) => path));
    expect(share(noise)).toBeGreaterThan(0.98);
    expect(share(files)).toBeLessThan(0.6);
  });
});
