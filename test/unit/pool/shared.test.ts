import { expect, it } from "vitest";
import { CONTROL, MOST_LOST_PAGES } from "../../../src/pool/shared.js";

it("no two words of the control block are one", () => {
  const { lostPages, ...single } = CONTROL;
  const words = [...Object.values(single), ...Array.from({ length: MOST_LOST_PAGES }, (_, i) => lostPages + i)];
  expect(new Set(words).size).toBe(words.length);
  expect(Math.max(...words)).toBe(CONTROL.epochs);
});
