import { describe, expect, it } from "vitest";
import { EFBIG, EINVAL, EIO, ENOMEM, ENOSPC, ENXIO, EPERM, EROFS } from "../../../src/base/errno.js";
import { PAGE_BYTES } from "../../../src/base/units.js";
import { superblockPage } from "../../../src/pool/superblockStore.js";
import { formatSplit, openDirect, superblockOf, wholeData } from "../../support/directPool.js";
import { blocksOf, type TestPoolOptions } from "../../support/testPool.js";
import { failing, type Watch } from "../../support/watchedMemory.js";

const PAGE = PAGE_BYTES;

/** 30 blocks in a pool of 34 data pages; the file may have 32. */
function make(options: Partial<TestPoolOptions> & { readonly readOnly?: boolean; readonly refuse?: Watch } = {}) {
  const { readOnly = false, refuse, ...rest } = options;
  const fake = formatSplit({ pageCount: 36, maxBlocks: 32, blocks: 30, ...rest });
  return openDirect(fake, { readOnly, ...(refuse === undefined ? {} : { watch: refuse }) });
}

it("reads and writes are not its business", () => {
  const { file } = make();
  expect(file.read()).toBe(-EIO);
  expect(file.write()).toBe(-EIO);
});

it("tells sizes and counts by what the backing holds", () => {
  const { file, data } = make();
  data.kernelWrites(5 * PAGE + 100, new Uint8Array(PAGE));
  expect(file).toMatchObject({
    sizeBytes: 30 * PAGE,
    maxSizeBytes: 32 * PAGE,
    mappedBytes: 2 * PAGE,
    capacityPages: 34,
    freePages: 32,
  });
  data.kernelWrites(0, blocksOf(1, 40));
  expect(file.freePages).toBe(0);
});

describe("discard", () => {
  it("zeroes the parts of blocks at its edges and gives whole ones back", () => {
    const { file, data, traffic } = make();
    data.kernelWrites(0, blocksOf(7, 30));
    expect(file.discard(PAGE - 10, 3 * PAGE + 20)).toBe(0);
    expect(file.mappedBytes).toBe(27 * PAGE);
    const bytes = data.kernelReads(0, 6 * PAGE);
    expect([bytes.indexOf(0), bytes.lastIndexOf(0)]).toEqual([PAGE - 10, 4 * PAGE + 9]);
    expect(traffic.totals().discardedBytes).toBe(3 * PAGE);
    // Again, and of holes: nothing more is counted.
    expect(file.discard(PAGE - 10, 3 * PAGE + 20)).toBe(0);
    expect(traffic.totals().discardedBytes).toBe(3 * PAGE);
  });

  it("is clipped at the disk's end, and past it does nothing", () => {
    const { file, data } = make();
    data.kernelWrites(29 * PAGE, blocksOf(9, 3));
    expect(file.discard(31 * PAGE, PAGE)).toBe(0);
    expect(data.heldPages()).toBe(3);
    expect(file.discard(0, 2 ** 50)).toBe(0);
    expect(data.heldPages()).toBe(2);
    expect(data.lengthBytes()).toBe(32 * PAGE);
  });

  it("notes the peak before pages go", () => {
    const { file, data, account } = make();
    data.kernelWrites(0, blocksOf(1, 20));
    file.discard(0, 30 * PAGE);
    data.kernelWrites(0, blocksOf(1, 3));
    file.discard(0, 30 * PAGE);
    expect(account.peak).toBe(20);
  });

  it("of much is done in parts of 64 MiB, each at a border of those", () => {
    const { file, data } = make({ pageCount: 40_000, maxBlocks: 39_800, blocks: 39_000 });
    const parts: number[] = [];
    const punch = data.punch.bind(data);
    data.punch = (at, length) => {
      parts.push(at / PAGE, length / PAGE);
      return punch(at, length);
    };
    expect(file.discard(3 * PAGE, 36_000 * PAGE)).toBe(0);
    expect(parts).toEqual([3, 16_381, 16_384, 16_384, 32_768, 3_235]);
  });

  it("answers the errno of a punch that fails", () => {
    const { file, data, traffic } = make();
    data.kernelWrites(0, blocksOf(1));
    data.watch = () => EIO;
    expect(file.discard(0, PAGE)).toBe(-EIO);
    expect(traffic.totals().discardedBytes).toBe(0);
    data.watch = () => 0;
    expect(file.discard(0, PAGE)).toBe(0);
  });
});

describe("reserve", () => {
  it("makes memory of the blocks that the range touches, and keeps their bytes", () => {
    const { file, data } = make();
    data.kernelWrites(2 * PAGE, blocksOf(5));
    expect(file.reserve(PAGE + 1, 2 * PAGE)).toBe(0);
    expect(file.mappedBytes).toBe(3 * PAGE);
    expect(data.kernelReads(PAGE, 3 * PAGE)).toEqual(Uint8Array.from([...blocksOf(0), ...blocksOf(5), ...blocksOf(0)]));
  });

  it("of the whole file can be done again, and not past its end", () => {
    const { file, data } = make({ pageCount: 34, maxBlocks: 32, blocks: 32 });
    for (let i = 0; i < 2; i++) expect(file.reserve(0, 2 ** 40)).toBe(0);
    expect([file.mappedBytes, file.freePages, data.lengthBytes()]).toEqual([32 * PAGE, 0, 32 * PAGE]);
    expect(file.reserve(32 * PAGE, PAGE)).toBe(0);
    expect(file.reserve(50 * PAGE, PAGE)).toBe(0);
    expect(data.heldPages()).toBe(32);
  });

  it.each([ENOSPC, ENOMEM])("a shortage (errno %s) is ENOSPC", (errno) => {
    const { file } = make({ refuse: failing("populate", errno) });
    expect(file.reserve(0, PAGE)).toBe(-ENOSPC);
    expect(file.reserve(0, PAGE)).toBe(0);
  });
});

describe("seek", () => {
  it("from inside a block, at borders and at the end", () => {
    const { file, data } = make();
    data.kernelWrites(3 * PAGE, blocksOf(1, 2));
    data.kernelWrites(29 * PAGE, blocksOf(1));
    const at = (from: number) => [file.seekData(from), file.seekHole(from)];
    expect(at(0)).toEqual([3 * PAGE, 0]);
    expect(at(3 * PAGE + 7)).toEqual([3 * PAGE + 7, 5 * PAGE]);
    expect(at(5 * PAGE)).toEqual([29 * PAGE, 5 * PAGE]);
    expect(at(30 * PAGE - 1)).toEqual([30 * PAGE - 1, 30 * PAGE]);
    expect(at(30 * PAGE)).toEqual([-ENXIO, -ENXIO]);
    file.discard(29 * PAGE, PAGE);
    expect(at(6 * PAGE)).toEqual([-ENXIO, 6 * PAGE]);
  });

  it("does not see what lies past the disk's end", () => {
    const { file, data } = make();
    data.kernelWrites(30 * PAGE, blocksOf(1, 4));
    expect([file.seekData(0), file.seekHole(29 * PAGE), file.seekData(31 * PAGE)]).toEqual([-ENXIO, 29 * PAGE, -ENXIO]);
  });
});

describe("resize", () => {
  it("larger shows zeros where something was written past the end, inside a block and behind", () => {
    const { file, data, fake } = make({ blocks: 20 });
    data.kernelWrites(20 * PAGE - 50, blocksOf(0xee, 12));
    expect(file.resize(32 * PAGE)).toBe(0);
    expect(data.lengthBytes()).toBe(32 * PAGE);
    expect(data.kernelReads(20 * PAGE, 12 * PAGE).every((byte) => byte === 0)).toBe(true);
    expect(data.kernelReads(20 * PAGE - 50, 50).every((byte) => byte === 0xee)).toBe(true);
    expect([file.sizeBytes, superblockOf(fake).blocks, data.heldPages()]).toEqual([32 * PAGE, 32, 1]);
  });

  it("smaller gives back what is cut off, counts it and the peak before", () => {
    const { file, data, fake, traffic, account, allowShrink } = make();
    data.kernelWrites(0, blocksOf(3, 30));
    allowShrink(8);
    expect(file.resize(8 * PAGE)).toBe(0);
    expect([data.heldPages(), data.lengthBytes(), superblockOf(fake).blocks]).toEqual([8, 8 * PAGE, 8]);
    expect([traffic.totals().discardedBytes, account.peak]).toEqual([22 * PAGE, 30]);
    expect(file.resize(30 * PAGE)).toBe(0);
    expect(data.kernelReads(8 * PAGE, 22 * PAGE).every((byte) => byte === 0)).toBe(true);
  });

  it("smaller only as allowed, and once: what is written after that would be cut off", () => {
    const { file, data, fake, allowShrink } = make();
    data.kernelWrites(0, blocksOf(3, 30));
    const expectWhole = (): void => {
      expect([file.sizeBytes, data.lengthBytes(), superblockOf(fake).blocks]).toEqual([30 * PAGE, 30 * PAGE, 30]);
      expect(data.heldPages()).toBe(30);
    };
    expect([file.resize(0), file.resize(29 * PAGE)]).toEqual([-EPERM, -EPERM]);
    expectWhole();
    allowShrink(8);
    expect([file.resize(0), file.resize(7 * PAGE), file.resize(9 * PAGE)]).toEqual([-EPERM, -EPERM, -EPERM]);
    allowShrink(0);
    expect([file.resize(0), file.resize(8 * PAGE)]).toEqual([-EPERM, -EPERM]);
    expectWhole();
    allowShrink(8);
    expect([file.resize(8 * PAGE), file.resize(8 * PAGE)]).toEqual([0, 0]);
    expect([file.resize(30 * PAGE), file.resize(8 * PAGE)]).toEqual([0, -EPERM]);
  });

  it("the size that it has is no change, and allowed", () => {
    const { file } = make();
    expect([file.resize(30 * PAGE), file.sizeBytes]).toEqual([0, 30 * PAGE]);
  });

  it("refuses more than the maximum, and parts of blocks", () => {
    const { file, data } = make();
    expect([file.resize(33 * PAGE), file.resize(PAGE + 1)]).toEqual([-EFBIG, -EINVAL]);
    expect([file.sizeBytes, data.lengthBytes()]).toEqual([30 * PAGE, 30 * PAGE]);
  });

  it("whose superblock cannot be flushed fails; the size stays, and the length follows it again", () => {
    const { file, data } = make({ durable: true, refuse: failing("sync", EIO) });
    data.kernelWrites(0, blocksOf(3, 30));
    expect(file.resize(32 * PAGE)).toBe(-EIO);
    expect(file.sizeBytes).toBe(30 * PAGE);
    expect(file.keepLength()).toBe(0);
    expect(data.lengthBytes()).toBe(30 * PAGE);
    expect(data.kernelReads(0, 30 * PAGE).every((byte) => byte === 3)).toBe(true);
  });
});

it("keepLength cuts off what was written past the end, and touches nothing else", () => {
  const { file, data } = make();
  data.kernelWrites(28 * PAGE, blocksOf(4, 10));
  expect([data.lengthBytes(), data.heldPages(), file.sizeBytes]).toEqual([38 * PAGE, 10, 30 * PAGE]);
  expect(file.keepLength()).toBe(0);
  expect([data.lengthBytes(), data.heldPages()]).toEqual([30 * PAGE, 2]);
  expect(data.kernelReads(0, 2 ** 30).subarray(28 * PAGE)).toEqual(blocksOf(4, 2));
  data.watch = () => EIO;
  // Nothing to be cut: nothing is done.
  expect(file.keepLength()).toBe(0);
  data.kernelWrites(30 * PAGE, blocksOf(4));
  expect(file.keepLength()).toBe(EIO);
});

describe("flush", () => {
  it("puts a durable pool on the media, and is nothing for others", () => {
    let syncs = 0;
    const watch: Watch = ({ verb }) => {
      if (verb === "sync") syncs++;
      return 0;
    };
    expect(make({ durable: true, refuse: watch }).file.flush()).toBe(0);
    expect(syncs).toBe(1);
    expect(make({ refuse: watch }).file.flush()).toBe(0);
    expect(syncs).toBe(1);
  });

  it("that failed stays failed, for every later one, without asking again", () => {
    let syncs = 0;
    const watch: Watch = ({ verb }) => (verb === "sync" && ++syncs === 2 ? EIO : 0);
    const { file, fake } = make({ durable: true, refuse: watch });
    expect([file.flush(), file.failedErrno]).toEqual([0, 0]);
    expect([file.flush(), file.flush(), file.flush()]).toEqual([-EIO, -EIO, -EIO]);
    expect([syncs, file.failedErrno]).toEqual([2, EIO]);
    const superblock = superblockPage(fake);
    expect([file.resize(31 * PAGE), file.resize(2 * PAGE)]).toEqual([-EIO, -EIO]);
    expect(superblockPage(fake), "the size that will be found").toEqual(superblock);
  });
});

it("read-only nothing changes", () => {
  const fake = formatSplit({ pageCount: 36, maxBlocks: 32, full: true });
  const data = wholeData(fake);
  const { file } = openDirect(fake, { readOnly: true, data });
  const before = Buffer.from(fake.bytes);
  expect([file.discard(0, PAGE), file.reserve(0, PAGE), file.resize(PAGE)]).toEqual([-EROFS, -EROFS, -EROFS]);
  expect([file.flush(), file.seekData(0)]).toEqual([0, 0]);
  expect(before.equals(fake.bytes)).toBe(true);
});
