/**
 * Into direct mode, out of it, and recovery after a cut, cut themselves at
 * every step, by a kill and by power cuts. What is left must open in either
 * way, with the size and the bytes that the file had. `KMEMFS_SEED=<seed>` repeats a run.
 */
import { describe, expect, it } from "vitest";
import type { Memory } from "../../src/base/ports.js";
import { PAGE_BYTES } from "../../src/base/units.js";
import { beginDirect, endDirect, recoverDirect } from "../../src/pool/directMode.js";
import { closePool } from "../../src/pool/probe.js";
import { STATE_CLEAN, STATE_DIRECT, STATE_DIRTY } from "../../src/pool/superblock.js";
import { budget } from "../support/budget.js";
import { formatSplit, openDirect, superblockOf, wholeData } from "../support/directPool.js";
import { expectBytes } from "../support/expectBytes.js";
import { FakeDataFile } from "../support/fakeDataFile.js";
import type { FakeMemory } from "../support/fakeMemory.js";
import { NaiveFile } from "../support/naiveFile.js";
import { cutPower } from "../support/powerCut.js";
import { Random, seedOfRun } from "../support/random.js";
import { openPool, type TestPoolOptions } from "../support/testPool.js";
import { Cut, WatchedMemory } from "../support/watchedMemory.js";

const seed = seedOfRun();
const POWER_CUTS = 4;

/** What a cut leaves: the pages, and the length of `data`. */
interface Left {
  readonly fake: FakeMemory;
  readonly lengthBytes: number;
}

/** Judges copies of `left`, opened served and opened direct. */
function judge(left: Left, known: readonly NaiveFile[], what: string): void {
  for (const way of ["served", "direct"] as const) {
    const fake = left.fake.copy();
    const data = dataOf(fake, left.lengthBytes);
    const { state, geometry, blocks } = superblockOf(fake);
    const where = `${what}, state ${state}, opened ${way}`;
    // Whoever opens a pool that is not direct takes its size from its files.
    if (state !== STATE_DIRECT) expect(left.lengthBytes, where).toBe(geometry.dataPages * PAGE_BYTES);
    const sizes = known.map((one) => one.sizeBlocks);
    if (!sizes.includes(blocks)) throw new Error(`${where}: ${blocks} blocks`);
    if (way === "served") {
      if (state === STATE_DIRECT) expect(recoverDirect(fake, data, geometry, blocks), where).toBe(0);
      const pool = openPool(fake);
      expectKnown((block) => pool.read(block * PAGE_BYTES, PAGE_BYTES), blocks, known, where);
      expect(fake.heldPages, where).toBe(pool.accountedPages);
      for (let block = 0; block < blocks; block++) {
        const page = pool.pool.index.get(block);
        if (page !== 0 && page !== geometry.firstDataPage + block) throw new Error(`${where}: ${block} is not at home`);
      }
      // What was a hole shows nothing of before when it is given memory.
      expect(pool.reserve(0, blocks * PAGE_BYTES)).toBe(0);
      expectKnown((block) => pool.read(block * PAGE_BYTES, PAGE_BYTES), blocks, known, `${where} and reserved`);
      continue;
    }
    if (state !== STATE_DIRECT) openPool(fake);
    const direct = openDirect(fake, { data });
    expect([data.lengthBytes(), direct.file.sizeBytes], where).toEqual([blocks * PAGE_BYTES, blocks * PAGE_BYTES]);
    expectKnown((block) => data.kernelReads(block * PAGE_BYTES, PAGE_BYTES), blocks, known, where);
    expect(direct.file.reserve(0, blocks * PAGE_BYTES)).toBe(0);
    expect(direct.file.resize(geometry.maxBlocks * PAGE_BYTES)).toBe(0);
    const grown = data.kernelReads(blocks * PAGE_BYTES, geometry.maxBlocks * PAGE_BYTES);
    if (grown.some((byte) => byte !== 0)) throw new Error(`${where}: what lies past the end shows when the file grows`);
  }
}

function dataOf(fake: FakeMemory, lengthBytes: number): FakeDataFile {
  const data = new FakeDataFile(fake, Number.MAX_SAFE_INTEGER);
  // Pages past the length are not part of the file that is left.
  const first = fake.metadataPages + Math.ceil(lengthBytes / PAGE_BYTES);
  if (first < fake.pageCount) fake.release(first, fake.pageCount - first);
  return Object.assign(data, { length: lengthBytes });
}

function expectKnown(
  read: (block: number) => Uint8Array,
  blocks: number,
  known: readonly NaiveFile[],
  where: string,
): void {
  for (let block = 0; block < blocks; block++) {
    const found = read(block);
    if (known.some((one) => Buffer.compare(one.read(block * PAGE_BYTES, PAGE_BYTES), found) === 0)) continue;
    if (known.some((one) => one.sizeBlocks <= block) && found.every((byte) => byte === 0)) continue;
    throw new Error(`${where}: block ${block} is what it never was (${found[0]}, ${found[PAGE_BYTES - 1]})`);
  }
}

/** What is left after `allowed` steps of `act`, once as it stands and several times after a power cut; null: it ended. */
function cutAt(
  allowed: number,
  fake: FakeMemory,
  data: FakeDataFile,
  random: Random,
  act: (memory: Memory) => number,
): { readonly all: readonly Left[]; readonly ended: boolean } {
  let steps = 0;
  const lengths = [data.lengthBytes()];
  const step = (verb: string): number => {
    if (steps++ === allowed) throw new Cut("cut");
    if (verb === "sync") lengths.splice(0, lengths.length, data.lengthBytes());
    return 0;
  };
  data.watch = (verb) => step(verb);
  const memory = new WatchedMemory(fake, ({ verb }) => step(verb));
  let ended = false;
  try {
    expect(act(memory)).toBe(0);
    ended = true;
  } catch (error) {
    if (!(error instanceof Cut)) throw error;
  }
  lengths.push(data.lengthBytes());
  const all: Left[] = [{ fake: fake.copy(), lengthBytes: data.lengthBytes() }];
  for (let i = 0; i < POWER_CUTS; i++) all.push({ fake: cutPower(fake, random), lengthBytes: random.pick(lengths) });
  return { all, ended };
}

/** A pool with random content, closed by served mode, and the file that it is. */
function servedPool(options: TestPoolOptions, random: Random): { fake: FakeMemory; naive: NaiveFile } {
  const fake = formatSplit(options);
  const pool = openPool(fake);
  const naive = new NaiveFile(pool.pool.blocks, pool.geometry.maxBlocks);
  for (let i = 0; i < 12; i++) {
    const offset = random.below(naive.sizeBytes);
    const length = 1 + random.below(3 * PAGE_BYTES);
    if (random.chance(0.7)) {
      const bytes = new Uint8Array(length).fill(1 + i);
      pool.write(offset, bytes);
      naive.write(offset, bytes);
    } else {
      pool.discard(offset, length);
      naive.discard(offset, length);
      // A block whose home page is in limbo would get another.
      expect(pool.pool.flushAndDrain()).toBe(0);
    }
  }
  closePool(pool.pool);
  return { fake, naive };
}

/** The same, then used in direct mode: written inside and past the end, and flushed. */
function directPool(options: TestPoolOptions, random: Random) {
  const { fake, naive } = servedPool(options, random);
  const direct = openDirect(fake);
  for (let i = 0; i < 8; i++) {
    const block = random.below(naive.sizeBlocks);
    const bytes = new Uint8Array(PAGE_BYTES).fill(101 + i);
    if (random.chance(0.7)) {
      direct.data.kernelWrites(block * PAGE_BYTES, bytes);
      naive.write(block * PAGE_BYTES, bytes);
    } else {
      direct.file.discard(block * PAGE_BYTES, 2 * PAGE_BYTES);
      naive.discard(block * PAGE_BYTES, 2 * PAGE_BYTES);
    }
  }
  if (random.chance(0.5)) direct.data.kernelWrites(naive.sizeBytes - 100, new Uint8Array(3 * PAGE_BYTES).fill(222));
  const tail = direct.data.kernelReads(naive.sizeBytes - PAGE_BYTES, PAGE_BYTES);
  naive.blocks.delete(naive.sizeBlocks - 1);
  if (tail.some((byte) => byte !== 0)) naive.write(naive.sizeBytes - PAGE_BYTES, tail);
  expect(direct.file.flush()).toBe(0);
  return { ...direct, naive };
}

const shapes: readonly TestPoolOptions[] = [
  { pageCount: 34, durable: true },
  { pageCount: 34, maxBlocks: 30, blocks: 20, durable: true },
  { pageCount: 603, maxBlocks: 600, blocks: 520, durable: true },
];

describe(`cut at every step (KMEMFS_SEED=${seed})`, () => {
  const acts = {
    "into direct mode": (random: Random, options: TestPoolOptions) => {
      const { fake, naive } = servedPool(options, random);
      const data = wholeData(fake);
      return {
        fake,
        naive,
        data,
        act: (memory: Memory) => beginDirect(memory, data, naive.sizeBlocks),
        state: STATE_DIRECT,
      };
    },
    "out of it": (random: Random, options: TestPoolOptions) => {
      const { fake, naive, data } = directPool(options, random);
      const { geometry } = superblockOf(fake);
      const act = (memory: Memory) => endDirect(memory, data, geometry, naive.sizeBlocks);
      return { fake, naive, data, act, state: STATE_CLEAN };
    },
    recovery: (random: Random, options: TestPoolOptions) => {
      const { fake, naive, data } = directPool(options, random);
      const { geometry } = superblockOf(fake);
      const act = (memory: Memory) => recoverDirect(memory, data, geometry, naive.sizeBlocks);
      return { fake, naive, data, act, state: STATE_DIRTY };
    },
  };
  for (const [name, prepare] of Object.entries(acts)) {
    it.each(shapes.map((shape, i) => [i, shape] as const))(`${name}, shape %s`, (i, shape) => {
      for (let round = 0; round < (i === 2 ? 1 : budget(3)); round++) {
        let ended = false;
        for (let allowed = 0; !ended; allowed++) {
          // Each time anew, with the same numbers.
          const random = new Random(seed + round);
          const { fake, naive, data, act, state } = prepare(random, shape);
          const cut = cutAt(allowed, fake, data, random, act);
          ended = cut.ended;
          for (const left of cut.all) judge(left, [naive], `after ${allowed} steps`);
          if (ended) expect(superblockOf(fake).state).toBe(state);
          expect(allowed).toBeLessThan(500);
        }
      }
    });
  }
});

describe(`power cuts in direct mode (KMEMFS_SEED=${seed})`, () => {
  it.each(shapes.slice(0, 2).map((shape, i) => [i, shape] as const))("shape %s", (_i, shape) => {
    const random = new Random(seed);
    const { fake, data, file, naive, allowShrink } = directPool(shape, random);
    let since = [naive.copy()];
    let lengths = [data.lengthBytes()];
    for (let step = 0; step < budget(80); step++) {
      const offset = random.below(naive.sizeBlocks) * PAGE_BYTES;
      const length = PAGE_BYTES * (1 + random.below(5));
      const dice = random.below(100);
      if (dice < 45) {
        const bytes = new Uint8Array(length).fill(1 + (step % 200));
        data.kernelWrites(offset, bytes);
        naive.write(offset, bytes);
      } else if (dice < 70) {
        expect(file.discard(offset, length)).toBe(0);
        naive.discard(offset, length);
      } else if (dice < 80) {
        const blocks = 1 + random.below(naive.maxBlocks);
        allowShrink(blocks);
        expect(file.resize(blocks * PAGE_BYTES)).toBe(0);
        const emptied = naive.copy();
        emptied.discard(blocks * PAGE_BYTES, emptied.sizeBytes);
        since.push(emptied);
        naive.resize(blocks);
      } else if (dice < 90) expect(file.keepLength()).toBe(0);
      else expect(file.flush()).toBe(0);
      since.push(naive.copy());
      lengths.push(data.lengthBytes());
      for (let i = 0; i < 2; i++) {
        judge({ fake: cutPower(fake, random), lengthBytes: random.pick(lengths) }, since, `step ${step}`);
      }
      if (dice >= 90) {
        since = [naive.copy()];
        lengths = [data.lengthBytes()];
      }
    }
    expectBytes(data.kernelReads(0, naive.sizeBytes), naive.read(0, naive.sizeBytes));
  });
});
