import { describe, expect, it } from "vitest";
import { IovecList, MAX_IOVECS } from "../../../src/base/iovec.js";

function makeList() {
  const words = new Int32Array(MAX_IOVECS * 4);
  const view = new DataView(words.buffer);
  const entry = (i: number): readonly [number, number] => [
    Number(view.getBigUint64(i * 16, true)),
    Number(view.getBigUint64(i * 16 + 8, true)),
  ];
  return { list: new IovecList(words), entry };
}

describe("a list of iovecs", () => {
  it("is struct iovec: a 64-bit address, then a 64-bit length", () => {
    const { list, entry } = makeList();
    list.add(0x7fff_1234_5000, 4096);
    expect(entry(0)).toEqual([0x7fff_1234_5000, 4096]);
    expect([list.count, list.lengthBytes]).toEqual([1, 4096]);
  });

  it("joins what lies together, and only that", () => {
    const { list, entry } = makeList();
    list.add(10_000, 100);
    list.add(10_100, 50);
    list.add(10_150, 1);
    list.add(10_152, 8);
    list.add(10_151, 1);
    expect(list.count).toBe(3);
    expect([entry(0), entry(1), entry(2)]).toEqual([
      [10_000, 151],
      [10_152, 8],
      [10_151, 1],
    ]);
    expect(list.lengthBytes).toBe(160);
  });

  it("holds as many as a writev takes, and no more", () => {
    const { list } = makeList();
    for (let i = 0; i < MAX_IOVECS; i++) list.add(10_000 * (i + 1), 8);
    list.add(10_000 * MAX_IOVECS + 8, 8);
    expect(list.count).toBe(MAX_IOVECS);
    expect(() => list.add(1, 8)).toThrow("more iovecs than a writev takes");
  });

  it("joins to more than 4 GiB without wrapping", () => {
    const { list, entry } = makeList();
    list.add(0, 2 ** 31);
    list.add(2 ** 31, 2 ** 31);
    list.add(2 ** 32, 2 ** 31);
    expect(entry(0)).toEqual([0, 3 * 2 ** 31]);
  });

  it("begins anew after clear, also at the address where it ended", () => {
    const { list, entry } = makeList();
    list.add(4096, 4096);
    list.clear();
    expect([list.count, list.lengthBytes]).toEqual([0, 0]);
    list.add(8192, 10);
    expect([list.count, entry(0)]).toEqual([1, [8192, 10]]);
  });

  it("holds as many entries as the kernel takes", () => {
    const { list, entry } = makeList();
    for (let i = 0; i < MAX_IOVECS; i++) list.add(i * 8192, 1);
    expect(list.count).toBe(1024);
    expect(entry(MAX_IOVECS - 1)).toEqual([(MAX_IOVECS - 1) * 8192, 1]);
  });
});
