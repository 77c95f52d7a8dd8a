import { describe, expect, it } from "vitest";
import { ACCOUNT_WORDS, Account } from "../../../src/pool/account.js";

function makeAccount(dataPages = 100) {
  const words = new Int32Array(new SharedArrayBuffer(ACCOUNT_WORDS * 4));
  return { account: new Account(words, dataPages), words };
}

describe("the account", () => {
  it("follows a page from claim over limbo to free", () => {
    const { account } = makeAccount();
    account.reset(10, 3);
    account.pagesClaimed(5);
    expect([account.used, account.limbo, account.free, account.peak]).toEqual([15, 0, 85, 15]);
    account.pagesToLimbo(4);
    expect([account.used, account.limbo, account.free, account.peak]).toEqual([11, 4, 85, 15]);
    account.pagesFreed(4);
    expect([account.used, account.limbo, account.free, account.peak]).toEqual([11, 0, 89, 15]);
    account.metadataAdded(2);
    expect(account.metadata).toBe(5);
  });

  it("is one for all who share its words", () => {
    const { account, words } = makeAccount();
    new Account(words, 100).pagesClaimed(7);
    expect(account.used).toBe(7);
  });

  it("keeps the peak, also over a reset to less", () => {
    const { account } = makeAccount();
    account.reset(50, 1);
    account.pagesToLimbo(50);
    account.pagesClaimed(20);
    expect(account.peak).toBe(50);
    account.reset(60, 1);
    expect(account.peak).toBe(60);
  });

  it("counts beyond 2^31 pages", () => {
    const pages = 2 ** 32 - 1024;
    const { account } = makeAccount(pages);
    account.reset(2 ** 31 - 1, 1);
    account.pagesClaimed(5);
    account.setBlocks(pages);
    expect([account.used, account.peak, account.blocks]).toEqual([2 ** 31 + 4, 2 ** 31 + 4, pages]);
    expect(account.free).toBe(pages - 2 ** 31 - 4);
    account.pagesToLimbo(2 ** 31 + 4);
    expect([account.used, account.limbo]).toEqual([0, 2 ** 31 + 4]);
  });

  it("names what grains hold beyond the used pages", () => {
    const { account } = makeAccount(2048);
    account.grainsHeld(512);
    account.pagesClaimed(10);
    expect(account.stock).toBe(502);
    account.pagesToLimbo(10);
    expect(account.stock).toBe(502);
    account.pagesFreed(10);
    account.grainsHeld(-512);
    expect(account.stock).toBe(0);
  });

  it("never says less than nothing is free", () => {
    const { account } = makeAccount(10);
    account.pagesClaimed(11);
    expect(account.free).toBe(0);
  });
});
