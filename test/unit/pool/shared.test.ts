import { expect, it } from "vitest";
import { ACCOUNT_WORDS } from "../../../src/pool/account.js";
import { MOST_LOST_PAGES, PERSISTENT, PERSISTENT_WORDS } from "../../../src/pool/persistentState.js";
import { CONTROL } from "../../../src/pool/sharedState.js";

it("no two words of the control block are one", () => {
  const words = Object.values(CONTROL);
  expect(new Set(words).size).toBe(words.length);
  expect(Math.max(...words)).toBe(CONTROL.epochs);
});

it("no two of those that outlive a server are one", () => {
  const { account, lostPages, ...single } = PERSISTENT;
  const counted = (first: number, count: number) => Array.from({ length: count }, (_, i) => first + i);
  const words = [...counted(account, ACCOUNT_WORDS), ...Object.values(single), ...counted(lostPages, MOST_LOST_PAGES)];
  expect(new Set(words).size).toBe(words.length);
  expect(Math.max(...words)).toBe(PERSISTENT_WORDS - 1);
});
