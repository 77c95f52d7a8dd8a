/**
 * Power cuts of a durable pool. At random moments, also in the middle of an
 * operation, each page is either as it was or as the media has it, and metadata
 * pages may be torn between sectors. The pool must open, every block must be as
 * it was at some moment since the last flush, and nothing may be held that no
 * entry names. `KMEMFS_SEED=<seed>` repeats a run.
 */
import { describe, expect, it } from "vitest";
import { PAGE_BYTES } from "../../src/base/units.js";
import { closePool } from "../../src/pool/probe.js";
import { budget } from "../support/budget.js";
import type { FakeMemory } from "../support/fakeMemory.js";
import { NaiveFile } from "../support/naiveFile.js";
import { cutPower } from "../support/powerCut.js";
import { Random, seedOfRun } from "../support/random.js";
import { formatFake, openPool, type TestPool, type TestPoolOptions } from "../support/testPool.js";

const seed = seedOfRun();

/** What is left of `fake` when power fails now. */
function cutServed(fake: FakeMemory, random: Random): FakeMemory {
  const left = cutPower(fake, random);
  makeNamedPages(left);
  return left;
}

/** A page that an entry names and that never reached the media reads as zeros, as a hole of a file does. */
function makeNamedPages(left: FakeMemory): void {
  const words = left.metadataWords(0);
  for (let page = 1; page < left.metadataPages; page++) {
    if (!left.holds(page)) continue;
    for (let entry = 0; entry < 512; entry++) {
      const named = (words[(page * PAGE_BYTES) / 4 + entry * 2] as number) >>> 0;
      if (named >= left.metadataPages && named < left.pageCount) left.populate(named, 1);
    }
  }
  left.sync();
}

class PowerCutRun {
  private pool: TestPool;
  private naive: NaiveFile;
  /** Everything that the file has been since the last flush, oldest first. */
  private since: NaiveFile[];
  private readonly leftovers: FakeMemory[] = [];
  private stamp = 0;

  constructor(
    private readonly fake: FakeMemory,
    private readonly random: Random,
  ) {
    this.pool = this.open();
    this.naive = new NaiveFile(this.pool.pool.blocks, this.pool.geometry.maxBlocks);
    this.since = [this.naive.copy()];
  }

  step(): void {
    const what = this.act();
    this.since.push(this.naive.copy());
    if (this.random.chance(0.3)) this.leftovers.push(cutServed(this.fake, this.random));
    for (const left of this.leftovers.splice(0)) this.judge(what, left);
    if (what === "flush" || what === "reopen") this.since = [this.naive.copy()];
  }

  private open(): TestPool {
    const watch = () => {
      if (this.random.chance(0.08)) this.leftovers.push(cutServed(this.fake, this.random));
      return 0;
    };
    return openPool(this.fake, { watch });
  }

  private act(): string {
    const { random, naive, pool } = this;
    const offset = random.below(naive.sizeBytes);
    const at = random.chance(0.5) ? offset - (offset % PAGE_BYTES) : offset;
    const length = random.chance(0.5) ? PAGE_BYTES * (1 + random.below(6)) : 1 + random.below(10_000);
    const dice = random.below(100);
    if (dice < 45) {
      this.stamp = (this.stamp % 200) + 1;
      const bytes = new Uint8Array(length).fill(this.stamp);
      if (pool.write(at, bytes) > 0) naive.write(at, bytes);
      else this.naive = this.asFound();
      return "write";
    }
    if (dice < 75) {
      expect(pool.discard(at, length)).toBe(0);
      naive.discard(at, length);
      return "discard";
    }
    if (dice < 80) {
      if (pool.reserve(at, length) === 0) naive.reserve(at, length);
      else this.naive = this.asFound();
      return "reserve";
    }
    if (dice < 85) return this.resize(1 + random.below(naive.maxBlocks));
    if (dice < 92) {
      expect(pool.file.flush()).toBe(0);
      return "flush";
    }
    if (dice < 97) {
      expect(pool.pool.settle()).toBe(0);
      return "settle";
    }
    closePool(pool.pool);
    this.pool = this.open();
    return "reopen";
  }

  private resize(blocks: number): string {
    expect(this.pool.request((file) => file.resize(blocks * PAGE_BYTES))).toBe(0);
    // What is cut off is gone before the size is less: a state of its own.
    const emptied = this.naive.copy();
    emptied.discard(blocks * PAGE_BYTES, emptied.sizeBytes);
    this.since.push(emptied);
    this.naive.resize(blocks);
    return "resize";
  }

  /** After ENOSPC: the model test looks at that closely; here the file is taken as it is. */
  private asFound(): NaiveFile {
    const found = new NaiveFile(this.naive.sizeBlocks, this.naive.maxBlocks);
    for (let block = 0; block < found.sizeBlocks; block++) {
      if (this.pool.pool.index.get(block) === 0) continue;
      found.blocks.set(block, this.pool.read(block * PAGE_BYTES, PAGE_BYTES));
    }
    return found;
  }

  private judge(what: string, left: FakeMemory): void {
    const pool = openPool(left);
    const sizes = new Set(this.since.map((state) => state.sizeBytes));
    if (!sizes.has(pool.file.sizeBytes)) throw new Error(`${what}: the size became ${pool.file.sizeBytes}`);
    for (let block = 0; block < pool.pool.blocks; block++) {
      const found = Buffer.from(pool.read(block * PAGE_BYTES, PAGE_BYTES));
      const isKnown = this.since.some((state) => {
        const known = state.blocks.get(block);
        return known === undefined ? found.every((byte) => byte === 0) : found.equals(known);
      });
      if (!isKnown) throw new Error(`${what}: block ${block} is what it never was (${found[0]}, ${found[4095]})`);
    }
    expect(left.heldPages, what).toBe(pool.accountedPages);
    expect(pool.reserve(0, pool.file.sizeBytes) <= 0).toBe(true);
    for (let block = 0; block < pool.pool.blocks; block++) {
      const found = pool.read(block * PAGE_BYTES, PAGE_BYTES);
      if (found.every((byte) => byte === 0)) continue;
      const isKnown = this.since.some(
        (state) => Buffer.compare(state.read(block * PAGE_BYTES, PAGE_BYTES), found) === 0,
      );
      if (!isKnown) throw new Error(`${what}: block ${block} was reserved and shows what was there before`);
    }
  }
}

describe(`a durable pool survives power cuts (KMEMFS_SEED=${seed})`, () => {
  it.each<readonly [string, TestPoolOptions, number]>([
    ["that fits its file", { pageCount: 34, durable: true }, 400],
    ["that is thin", { pageCount: 14, maxBlocks: 40, durable: true }, 400],
    ["with several index pages", { pageCount: 40, maxBlocks: 1200, blocks: 30, durable: true }, 60],
  ])("%s", (_name, options, steps) => {
    const run = new PowerCutRun(formatFake(options), new Random(seed));
    for (let step = 0; step < budget(steps); step++) {
      try {
        run.step();
      } catch (cause) {
        throw new Error(`step ${step}: ${(cause as Error).message}`, { cause });
      }
    }
  });
});
