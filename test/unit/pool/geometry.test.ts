import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { UserError } from "../../../src/base/errors.js";
import { chosenGeometry, defaultGeometry, MAX_PAGES, pagesForWholeFile } from "../../../src/pool/geometry.js";

describe("the seed's geometry", () => {
  it.each([0, 1, 2])("%d pages leave none for data and are refused", (pages) => {
    expect(() => defaultGeometry(pages)).toThrow(UserError);
    expect(() => defaultGeometry(pages)).toThrow("has no room for data (EINVAL)");
  });

  it.each([
    [3, 1, 1],
    [4, 1, 2],
    [513, 1, 511],
    [514, 1, 512],
    // The page that is one too many for the first index page becomes the second.
    [515, 2, 512],
    [516, 2, 513],
    [1027, 2, 1024],
    [1028, 3, 1024],
    [MAX_PAGES, 8372254, 4286594017],
  ])("of %d pages %d are index, for %d blocks", (pages, indexPages, blocks) => {
    expect(defaultGeometry(pages)).toEqual({
      pageCount: pages,
      indexPages,
      maxBlocks: blocks,
      firstDataPage: 1 + indexPages,
      dataPages: blocks,
    });
  });

  it("gives every data page an entry and wastes no index page", () => {
    fc.assert(
      fc.property(fc.integer({ min: 3, max: MAX_PAGES }), (pages) => {
        const { indexPages, maxBlocks, dataPages, firstDataPage } = defaultGeometry(pages);
        expect(firstDataPage + dataPages).toBe(pages);
        expect(maxBlocks).toBe(dataPages);
        expect(maxBlocks).toBeLessThanOrEqual(indexPages * 512);
        expect(maxBlocks + 1).toBeGreaterThan((indexPages - 1) * 512);
      }),
    );
  });

  it.each([-1, 2.5, Number.NaN, Number.POSITIVE_INFINITY, MAX_PAGES + 1, 2 ** 32, 2 ** 32 + 3, 2 ** 53, 2 ** 64])(
    "%d pages are refused",
    (pages) => {
      expect(() => defaultGeometry(pages)).toThrow(UserError);
      expect(() => chosenGeometry(pages, 1)).toThrow(UserError);
    },
  );
});

describe("a chosen geometry", () => {
  it.each([
    [3, 1, 1],
    [100, 512, 1],
    [100, 513, 2],
    [100, 98 * 512, 98],
    [MAX_PAGES, MAX_PAGES, 2 ** 23 - 2],
  ])("of %d pages for %d blocks has %d index pages", (pages, maxBlocks, indexPages) => {
    expect(chosenGeometry(pages, maxBlocks)).toEqual({
      pageCount: pages,
      indexPages,
      maxBlocks,
      firstDataPage: 1 + indexPages,
      dataPages: pages - 1 - indexPages,
    });
  });

  it.each([
    [2, 1],
    [3, 513],
    [100, 98 * 512 + 1],
  ])("%d pages have no room for data beside an index of %d blocks", (pages, maxBlocks) => {
    expect(() => chosenGeometry(pages, maxBlocks)).toThrow("has no room for data");
  });

  it.each([0, -1, 1.5, Number.NaN, MAX_PAGES + 1, 2 ** 53])("a file of %d blocks is refused", (maxBlocks) => {
    expect(() => chosenGeometry(100, maxBlocks)).toThrow(UserError);
  });

  it("pagesForWholeFile is just enough for every block to have its page", () => {
    for (const blocks of [1, 511, 512, 513, 1024, 1025, 4_000_000_000]) {
      const pages = pagesForWholeFile(blocks);
      expect(chosenGeometry(pages, blocks).dataPages).toBe(blocks);
    }
  });
});
