import { describe, expect, it } from "vitest";
import { EFBIG, EINVAL, EIO, ENOSPC, ENXIO } from "../../../src/base/errno.js";
import { IovecList, MAX_IOVECS } from "../../../src/base/iovec.js";
import { trafficTotals } from "../../../src/blockfile/traffic.js";
import { plantEntry } from "../../support/damage.js";
import { expectBytes } from "../../support/expectBytes.js";
import type { FakeMemory } from "../../support/fakeMemory.js";
import { blocksOf, formatFake, makePool, openPool, type TestPool } from "../../support/testPool.js";
import { type Call, failing } from "../../support/watchedMemory.js";

const PAGE = 4096;
const bytes = (...values: number[]) => Uint8Array.from(values);
const isZero = (data: Uint8Array) => data.every((byte) => byte === 0);

function seek(pool: TestPool, what: "seekData" | "seekHole", offset: number): number {
  return pool.request((file) => file[what](offset));
}

describe("read", () => {
  it("of holes is zeros from the shared region, in pieces, without memory", () => {
    const pool = makePool({ pageCount: 66 });
    expect(isZero(pool.read(5, 60 * PAGE))).toBe(true);
    expect([pool.runs, pool.fake.heldPages]).toEqual([15, 1]);
  });

  it("is clipped at the end of the file", () => {
    const pool = makePool({ pageCount: 66 });
    const size = pool.file.sizeBytes;
    pool.write(size - PAGE, blocksOf(3));
    expectBytes(pool.read(size - 10, 100), new Uint8Array(10).fill(3));
    expect([pool.read(size, 10).length, pool.read(size + PAGE, 10).length, pool.read(0, 0).length]).toEqual([0, 0, 0]);
  });

  it("names the pages themselves, runs as one, with holes between", () => {
    const pool = makePool({ pageCount: 66 });
    pool.write(10 * PAGE, blocksOf(1, 5));
    pool.write(16 * PAGE, blocksOf(2, 5));
    const into = new IovecList(new Int32Array(MAX_IOVECS * 4));
    pool.request((file) => expect(file.read(10 * PAGE + 100, 11 * PAGE - 200, into)).toBe(11 * PAGE - 200));
    expect([into.count, into.lengthBytes]).toEqual([3, 11 * PAGE - 200]);
  });

  it("of a block whose entry was damaged since is an I/O error, and of others is not", () => {
    const pool = makePool({ pageCount: 66 });
    pool.write(0, blocksOf(1, 4));
    plantEntry(pool.fake, 2, 5_000_000);
    expect(() => pool.read(0, 4 * PAGE)).toThrow(`read: ${-EIO}`);
    expectBytes(pool.read(0, 2 * PAGE), blocksOf(1, 2));
  });

  it("of a run that leaves the pool is an I/O error", () => {
    const pool = makePool({ pageCount: 66 });
    pool.write(63 * PAGE, blocksOf(1));
    plantEntry(pool.fake, 61, 65);
    plantEntry(pool.fake, 62, 66);
    expect(() => pool.read(61 * PAGE, 2 * PAGE)).toThrow(`read: ${-EIO}`);
  });
});

describe("write", () => {
  it.each([
    [0, 1],
    [1, PAGE - 1],
    [PAGE - 1, 2],
    [100, 3 * PAGE],
    [PAGE, PAGE],
    [2 * PAGE - 1, PAGE + 2],
  ])("at %d of %d bytes has zeros around it", (offset, length) => {
    const pool = makePool({ pageCount: 66 });
    expect(pool.write(offset, new Uint8Array(length).fill(7))).toBe(length);
    const expected = new Uint8Array(8 * PAGE);
    expected.fill(7, offset, offset + length);
    expectBytes(pool.read(0, 8 * PAGE), expected);
  });

  it("leaves the bytes around it as they were", () => {
    const pool = makePool({ pageCount: 66 });
    pool.write(0, blocksOf(1, 3));
    pool.write(PAGE + 10, bytes(9, 9));
    expect([...pool.read(PAGE + 9, 4)]).toEqual([1, 9, 9, 1]);
  });

  it("crosses from mapped blocks to holes and back", () => {
    const pool = makePool({ pageCount: 66 });
    pool.write(2 * PAGE, blocksOf(1, 2));
    pool.write(6 * PAGE, blocksOf(1, 2));
    expect(pool.write(PAGE + 7, blocksOf(2, 8))).toBe(8 * PAGE);
    const expected = new Uint8Array(11 * PAGE);
    expected.fill(2, PAGE + 7, 9 * PAGE + 7);
    expectBytes(pool.read(0, 11 * PAGE), expected);
  });

  it("is short at the end of the file, and EFBIG behind it", () => {
    const pool = makePool({ pageCount: 66 });
    const size = pool.file.sizeBytes;
    expect(pool.write(size - 5, new Uint8Array(20).fill(1))).toBe(5);
    expect(pool.write(size, bytes(1))).toBe(-EFBIG);
    expect(pool.write(size, new Uint8Array(0))).toBe(0);
  });

  it("crosses index pages, and makes only those it needs", () => {
    const pool = makePool({ pageCount: 2000, maxBlocks: 5000 });
    expect(pool.write(510 * PAGE, blocksOf(3, 4))).toBe(4 * PAGE);
    expect(pool.pool.account.metadata).toBe(3);
    expectBytes(pool.read(510 * PAGE, 4 * PAGE), blocksOf(3, 4));
  });

  it("without memory for an index page is ENOSPC and claims nothing", () => {
    const pool = makePool({ pageCount: 2000, maxBlocks: 5000 });
    pool.fake.limit(1);
    expect(pool.write(0, blocksOf(1))).toBe(-ENOSPC);
    expect([pool.pool.account.used, pool.fake.heldPages]).toEqual([0, 1]);
  });

  it("gives back what it had claimed when memory cannot be filled", () => {
    const pool = makePool({ pageCount: 66, watch: failing("fill", EIO) });
    expect(pool.write(0, blocksOf(1, 8))).toBe(-EIO);
    expect([pool.pool.account.used, pool.pool.account.limbo, pool.fake.heldPages]).toEqual([0, 0, 2]);
    expect(isZero(pool.read(0, 8 * PAGE))).toBe(true);
  });

  it("tries once more after the machine said ENOSPC, as limbo may have what is missing", () => {
    const pool = makePool({ pageCount: 66, durable: true });
    pool.write(0, blocksOf(1, 20));
    pool.fake.limit(pool.fake.heldPages);
    pool.discard(0, 4 * PAGE);
    expect(pool.write(30 * PAGE, blocksOf(2, 4))).toBe(4 * PAGE);
    expect(pool.write(40 * PAGE, blocksOf(2))).toBe(-ENOSPC);
  });

  it("looks again when another thread was faster", () => {
    const pool: TestPool = makePool({
      pageCount: 66,
      watch: ({ verb, firstPage }) => {
        // The other maps block 3 while this one fills its pages.
        if (verb === "fill" && firstPage === 2 && pool.pool.index.get(3) === 0)
          pool.join(1).write(3 * PAGE, blocksOf(9));
        return 0;
      },
    });
    expect(pool.write(0, blocksOf(1, 6))).toBe(6 * PAGE);
    expectBytes(pool.read(0, 6 * PAGE), blocksOf(1, 6));
    expect(pool.pool.account.used).toBe(6);
    expect(pool.fake.heldPages).toBe(pool.accountedPages);
  });
});

describe("discard", () => {
  it.each([
    [0, PAGE],
    [1, PAGE],
    [0, PAGE - 1],
    [PAGE - 1, 2],
    [10, 5],
    [100, 3 * PAGE],
    [PAGE, 2 * PAGE + 1],
    [PAGE - 1, 2 * PAGE + 1],
  ])("at %d of %d bytes reads as zeros there and nowhere else", (offset, length) => {
    const pool = makePool({ pageCount: 66 });
    pool.write(0, blocksOf(5, 8));
    expect(pool.discard(offset, length)).toBe(0);
    const expected = blocksOf(5, 8).fill(0, offset, offset + length);
    expectBytes(pool.read(0, 8 * PAGE), expected);
    const whole = Math.max(0, Math.floor((offset + length) / PAGE) - Math.ceil(offset / PAGE));
    expect(pool.pool.account.used).toBe(8 - whole);
    expect(pool.fake.heldPages).toBe(pool.accountedPages);
  });

  it("of a hole's part makes no page", () => {
    const pool = makePool({ pageCount: 66 });
    expect(pool.discard(10, 3 * PAGE)).toBe(0);
    expect(pool.fake.heldPages).toBe(1);
  });

  it("is clipped at the end, and nothing behind it", () => {
    const pool = makePool({ pageCount: 66 });
    const size = pool.file.sizeBytes;
    pool.write(size - PAGE, blocksOf(5));
    expect(pool.discard(size, PAGE)).toBe(0);
    expect(pool.discard(size - PAGE, 2 ** 45)).toBe(0);
    expect(pool.pool.account.used).toBe(0);
  });

  it("of very much is done in slices, and counts what was mapped", () => {
    const pool = makePool({ pageCount: 2000, maxBlocks: 100_000 });
    for (const block of [0, 16_383, 16_384, 16_385, 40_000, 99_999]) pool.write(block * PAGE, blocksOf(1));
    expect(pool.discard(0, pool.file.sizeBytes)).toBe(0);
    expect(pool.pool.account.used).toBe(0);
    expect(trafficTotals(pool.common.traffic).discardedBytes).toBe(6 * PAGE);
  });

  it("whose edge cannot be zeroed is an error and discards nothing", () => {
    const pool = makePool({ pageCount: 66, watch: failing("zero", EIO) });
    pool.write(0, blocksOf(5, 4));
    expect(pool.discard(10, 3 * PAGE)).toBe(-EIO);
    expectBytes(pool.read(0, 4 * PAGE), blocksOf(5, 4));
  });
});

describe("reserve", () => {
  it("maps the holes, leaves the data, and reads as before", () => {
    const pool = makePool({ pageCount: 66 });
    pool.write(3 * PAGE, blocksOf(5, 2));
    expect(pool.reserve(PAGE + 1, 6 * PAGE)).toBe(0);
    expect(pool.pool.account.used).toBe(7);
    expectBytes(pool.read(0, 10 * PAGE), new Uint8Array(10 * PAGE).fill(5, 3 * PAGE, 5 * PAGE));
    expect([seek(pool, "seekData", 0), seek(pool, "seekHole", PAGE)]).toEqual([PAGE, 8 * PAGE]);
  });

  it("that does not fit takes nothing", () => {
    const pool = makePool({ pageCount: 12, maxBlocks: 100 });
    pool.write(0, blocksOf(1, 3));
    expect(pool.reserve(0, 100 * PAGE)).toBe(-ENOSPC);
    expect(pool.pool.account.used).toBe(3);
    expect(pool.reserve(0, pool.geometry.dataPages * PAGE)).toBe(0);
  });

  it("counts what limbo can give", () => {
    const pool = makePool({ pageCount: 12, maxBlocks: 100, durable: true });
    const { dataPages } = pool.geometry;
    pool.write(0, blocksOf(1, dataPages));
    pool.discard(0, 4 * PAGE);
    expect(pool.file.freePages).toBe(4);
    expect(pool.reserve(50 * PAGE, 4 * PAGE)).toBe(0);
    expect(pool.reserve(60 * PAGE, PAGE)).toBe(-ENOSPC);
  });

  it("is clipped, and nothing behind the end", () => {
    const pool = makePool({ pageCount: 66, maxBlocks: 64, blocks: 10 });
    expect([pool.reserve(9 * PAGE, 100 * PAGE), pool.reserve(10 * PAGE, PAGE), pool.reserve(0, 0)]).toEqual([0, 0, 0]);
    expect(pool.pool.account.used).toBe(1);
  });
});

describe("seek", () => {
  it("finds data and holes, from within and at the ends", () => {
    const pool = makePool({ pageCount: 66 });
    const size = pool.file.sizeBytes;
    pool.write(10 * PAGE, blocksOf(1, 2));
    pool.write(size - PAGE, blocksOf(1));
    expect(seek(pool, "seekData", 0)).toBe(10 * PAGE);
    expect(seek(pool, "seekData", 10 * PAGE + 5)).toBe(10 * PAGE + 5);
    expect(seek(pool, "seekData", 12 * PAGE)).toBe(size - PAGE);
    expect(seek(pool, "seekHole", 0)).toBe(0);
    expect(seek(pool, "seekHole", 5)).toBe(5);
    expect(seek(pool, "seekHole", 10 * PAGE + 5)).toBe(12 * PAGE);
    expect(seek(pool, "seekHole", size - 1)).toBe(size);
    expect([seek(pool, "seekData", size), seek(pool, "seekHole", size)]).toEqual([-ENXIO, -ENXIO]);
  });

  it("without any data is ENXIO for data, and a hole at once", () => {
    const pool = makePool({ pageCount: 66 });
    expect([seek(pool, "seekData", 0), seek(pool, "seekHole", 0)]).toEqual([-ENXIO, 0]);
  });

  it("does not look behind the end of the file", () => {
    const pool = makePool({ pageCount: 66, maxBlocks: 64, blocks: 10 });
    expect(seek(pool, "seekData", 0)).toBe(-ENXIO);
    pool.reserve(0, 10 * PAGE);
    expect(seek(pool, "seekHole", 0)).toBe(10 * PAGE);
  });
});

describe("resize", () => {
  const make = (more = {}) => makePool({ pageCount: 66, maxBlocks: 64, blocks: 10, ...more });
  const resize = (pool: TestPool, size: number) => pool.request((file) => file.resize(size));

  it("to more and back: what was cut off is gone", () => {
    const pool = make();
    expect(resize(pool, 20 * PAGE)).toBe(0);
    pool.write(0, blocksOf(5, 20));
    expect(resize(pool, 5 * PAGE)).toBe(0);
    expect([pool.file.sizeBytes, pool.pool.account.used, pool.file.mappedBytes]).toEqual([5 * PAGE, 5, 5 * PAGE]);
    expect(resize(pool, 64 * PAGE)).toBe(0);
    expect(isZero(pool.read(5 * PAGE, 59 * PAGE))).toBe(true);
    expect(pool.reopen().file.sizeBytes).toBe(64 * PAGE);
  });

  it("to the same size is nothing", () => {
    const pool = make({ watch: failing("sync", EIO, 3, 100), durable: true });
    expect(resize(pool, 10 * PAGE)).toBe(0);
  });

  it.each([
    [65 * PAGE, -EFBIG],
    [2 ** 52, -EFBIG],
    [PAGE + 1, -EINVAL],
    [511, -EINVAL],
  ])("to %d bytes is refused", (size, errno) => {
    const pool = make();
    expect(resize(pool, size)).toBe(errno);
    expect(pool.file.sizeBytes).toBe(10 * PAGE);
  });

  it.each([3, 4])("whose sync number %d fails is told, and the pool opens with all that was flushed", (nth) => {
    const fake = formatFake({ pageCount: 66, maxBlocks: 64, blocks: 10, durable: true });
    const first = openPool(fake);
    first.write(0, blocksOf(5, 10));
    const pool = first.reopen({ watch: failing("sync", EIO, nth) });
    expect(resize(pool, 5 * PAGE)).toBe(-EIO);
    expect([pool.write(0, blocksOf(6)), pool.file.flush()]).toEqual([-EIO, -EIO]);
    for (const onMedia of [true, false]) {
      const again = openPool(fake.copy(() => onMedia));
      expect([5 * PAGE, 10 * PAGE]).toContain(again.file.sizeBytes);
      expectBytes(again.read(0, 5 * PAGE), blocksOf(5, 5));
    }
  });

  it("to less is on the media only after what it cuts off is not", () => {
    const cuts: FakeMemory[] = [];
    const fake = formatFake({ pageCount: 66, maxBlocks: 64, blocks: 10, durable: true });
    const watch = ({ verb }: Call) => {
      if (verb === "sync") cuts.push(fake.copy((page) => page !== 0));
      return 0;
    };
    const pool = openPool(fake, { watch });
    pool.write(0, blocksOf(5, 10));
    pool.file.flush();
    cuts.length = 0;
    expect(resize(pool, 5 * PAGE)).toBe(0);
    expect(cuts.length).toBeGreaterThan(0);
    for (const cut of cuts) expect([5 * PAGE, 10 * PAGE]).toContain(openPool(cut).file.sizeBytes);
  });
});

it("counts what flows", () => {
  const pool = makePool({ pageCount: 66 });
  pool.write(0, blocksOf(5, 2));
  pool.read(0, 3 * PAGE);
  pool.discard(0, 10 * PAGE);
  const { readBytes, writtenBytes, discardedBytes } = trafficTotals(pool.common.traffic);
  expect([readBytes, writtenBytes, discardedBytes]).toEqual([3 * PAGE, 2 * PAGE, 2 * PAGE]);
  expect([pool.file.capacityPages, pool.file.maxSizeBytes]).toEqual([64, 64 * PAGE]);
});
