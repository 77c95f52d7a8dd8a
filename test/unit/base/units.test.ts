import { expect, it } from "vitest";
import { bytesToPagesCeil, bytesToPagesFloor, pagesToBytes } from "../../../src/base/units.js";

it.each([
  [0, 0, 0],
  [1, 0, 1],
  [4095, 0, 1],
  [4096, 1, 1],
  [4097, 1, 2],
  [2 ** 44 - 1, 2 ** 32 - 1, 2 ** 32],
  [2 ** 44, 2 ** 32, 2 ** 32],
])("%d bytes are %d pages rounded down, %d rounded up", (bytes, down, up) => {
  expect(bytesToPagesFloor(bytes)).toBe(down);
  expect(bytesToPagesCeil(bytes)).toBe(up);
});

it("pages of the largest pool are exact bytes", () => {
  expect(pagesToBytes(2 ** 32 - 1)).toBe((2 ** 32 - 1) * 4096);
});
