/** Random work on the file in direct mode, the kernel's part included, against a naive one. `KMEMFS_SEED=<seed>` repeats a run. */
import { describe, expect, it } from "vitest";
import { ENOSPC, ENXIO, EPERM } from "../../src/base/errno.js";
import { PAGE_BYTES } from "../../src/base/units.js";
import { recoverDirect } from "../../src/pool/directMode.js";
import { budget } from "../support/budget.js";
import { formatSplit, openDirect, superblockOf } from "../support/directPool.js";
import { expectBytes } from "../support/expectBytes.js";
import { NaiveFile } from "../support/naiveFile.js";
import { Random, seedOfRun } from "../support/random.js";
import { openPool, type TestPoolOptions } from "../support/testPool.js";

const seed = seedOfRun();

class DirectRun {
  private readonly random = new Random(seed);
  private readonly pool;
  private readonly naive: NaiveFile;
  private peak = 0;
  private discarded = 0;
  private stamp = 0;

  constructor(
    options: TestPoolOptions,
    private readonly limits: boolean,
  ) {
    this.pool = openDirect(formatSplit(options));
    const { geometry, blocks } = superblockOf(this.pool.fake);
    this.naive = new NaiveFile(blocks, geometry.maxBlocks);
  }

  step(): string {
    this.pool.fake.beginRequest();
    const what = this.act();
    this.compare(what);
    return what;
  }

  private range(): readonly [number, number] {
    const { random } = this;
    const block = random.below(this.naive.sizeBlocks + 2);
    if (random.chance(0.4)) return [block * PAGE_BYTES, (1 + random.below(9)) * PAGE_BYTES];
    return [block * PAGE_BYTES + random.below(PAGE_BYTES), 1 + random.below(random.pick([300, 30_000]))];
  }

  private act(): string {
    const { random, pool, naive } = this;
    const { file, data, fake } = pool;
    const [offset, length] = this.range();
    const what = ` at ${offset}, ${length} bytes`;
    if (this.limits && random.chance(0.1)) fake.limit(Math.max(fake.heldPages, 10 + random.below(60)));
    const dice = random.below(100);
    if (dice < 40) {
      this.stamp = (this.stamp % 250) + 1;
      const bytes = new Uint8Array(length).fill(this.stamp);
      const written = data.kernelWrites(offset, bytes);
      naive.write(offset, bytes.subarray(0, Math.max(0, written)));
      return `write${what}`;
    }
    if (dice < 65) {
      // Past the end there is nothing to do, and nothing is looked at.
      if (offset >= naive.sizeBytes) expect(file.discard(offset, length)).toBe(0);
      else this.counted(() => expect(file.discard(offset, length)).toBe(0));
      naive.discard(offset, length);
      return `discard${what}`;
    }
    if (dice < 75) {
      const result = file.reserve(offset, length);
      if (result === 0) naive.reserve(offset, length);
      else {
        expect([result, this.limits]).toEqual([-ENOSPC, true]);
        expect(fake.heldPages + naive.missing(offset, length)).toBeGreaterThan(9);
      }
      return `reserve${what}: ${result}`;
    }
    if (dice < 85) {
      const blocks = 1 + random.below(naive.maxBlocks);
      if (blocks < naive.sizeBlocks) {
        expect(file.resize(blocks * PAGE_BYTES)).toBe(-EPERM);
        if (random.chance(0.5)) return `refused to resize to ${blocks}`;
        pool.allowShrink(blocks);
      }
      this.counted(() => expect(file.resize(blocks * PAGE_BYTES)).toBe(0));
      naive.resize(blocks);
      return `resize to ${blocks}`;
    }
    if (dice < 92) {
      expect(file.keepLength()).toBe(0);
      expect(data.heldPages()).toBe(naive.blocks.size);
      return "cut";
    }
    expect(file.flush()).toBe(0);
    return "flush";
  }

  /** What memory goes back in `act` is counted, and the peak before it is noted. */
  private counted(act: () => void): void {
    const before = this.pool.data.heldPages();
    this.peak = Math.max(this.peak, before);
    act();
    this.discarded += Math.max(0, before - this.pool.data.heldPages()) * PAGE_BYTES;
  }

  private compare(what: string): void {
    const { file, data, traffic, account } = this.pool;
    const { naive } = this;
    expect(file.sizeBytes, what).toBe(naive.sizeBytes);
    expectBytes(data.kernelReads(0, naive.sizeBytes), naive.read(0, naive.sizeBytes), what);
    const [from] = this.range();
    const expected = [naive.seek(from, true), naive.seek(from, false)].map((at) => (at === -1 ? -ENXIO : at));
    expect([file.seekData(from), file.seekHole(from)], `${what}, seek from ${from}`).toEqual(expected);
    expect(data.heldPages(), what).toBeGreaterThanOrEqual(naive.blocks.size);
    expect(file.mappedBytes).toBe(data.heldPages() * PAGE_BYTES);
    expect([traffic.totals().discardedBytes, account.peak], what).toEqual([this.discarded, this.peak]);
  }

  /** The same file, when the mount is killed and the pool served. */
  endServed(): void {
    const { fake, data } = this.pool;
    fake.limit(fake.pageCount);
    fake.beginRequest();
    const { geometry, blocks } = superblockOf(fake);
    expect(recoverDirect(fake, data, geometry, blocks)).toBe(0);
    expect(data.lengthBytes()).toBe(geometry.dataPages * PAGE_BYTES);
    const served = openPool(fake);
    expectBytes(served.read(0, this.naive.sizeBytes), this.naive.read(0, this.naive.sizeBytes), "served");
    expect(served.pool.account.used).toBe(this.naive.blocks.size);
    expect(fake.heldPages).toBe(served.accountedPages);
  }
}

describe(`direct mode's file and a naive one agree (KMEMFS_SEED=${seed})`, () => {
  it.each<readonly [string, TestPoolOptions, boolean]>([
    ["a file as large as its pool", { pageCount: 66 }, false],
    ["a file that can grow", { pageCount: 66, maxBlocks: 60, blocks: 20 }, false],
    ["a durable pool", { pageCount: 66, durable: true }, false],
    ["where memory runs out", { pageCount: 66, maxBlocks: 60, blocks: 40 }, true],
  ])("%s", (_name, options, limits) => {
    const run = new DirectRun(options, limits);
    const last: string[] = [];
    for (let step = 0; step < budget(1200); step++) {
      try {
        last.push(run.step());
      } catch (cause) {
        throw new Error(`step ${step}: ${(cause as Error).message}\nbefore it:\n  ${last.slice(-8).join("\n  ")}`, {
          cause,
        });
      }
    }
    run.endServed();
  });
});
