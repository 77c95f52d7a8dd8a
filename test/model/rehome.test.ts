/**
 * Rehome of random pools that is killed, or whose power fails, at every call
 * and between any two stores of entries. Whatever is left must open with every
 * block's content, and rehome must be able to go on. `KMEMFS_SEED=<seed>`
 * repeats a run.
 */
import { describe, expect, it } from "vitest";
import { UserError } from "../../src/base/errors.js";
import { PAGE_BYTES } from "../../src/base/units.js";
import { rehome } from "../../src/pool/rehome.js";
import { STATE_DIRTY } from "../../src/pool/superblock.js";
import { budget } from "../support/budget.js";
import type { FakeMemory } from "../support/fakeMemory.js";
import {
  awayBlocks,
  isClean,
  type MisplacedPool,
  misplaced,
  randomPages,
  requireContents,
  setState,
  superblockOf,
} from "../support/misplaced.js";
import { Random, seedOfRun } from "../support/random.js";
import type { TestPoolOptions } from "../support/testPool.js";
import { type Watch, WatchedMemory } from "../support/watchedMemory.js";

const seed = seedOfRun();
const SECTOR_WORDS = 128;

/** All the states that may be left of a pool at the calls of `work`. */
class Leftovers {
  readonly found: FakeMemory[] = [];
  private before: Int32Array;

  constructor(
    private readonly fake: FakeMemory,
    private readonly random: Random,
    private readonly chance: number,
  ) {
    this.before = this.words.slice();
  }

  readonly watch: Watch = () => {
    if (this.random.chance(this.chance)) this.found.push(this.killed());
    if (this.fake.durable && this.random.chance(this.chance)) this.found.push(this.cut());
    this.before = this.words.slice();
    return 0;
  };

  private get words(): Int32Array {
    return this.fake.metadataWords(0);
  }

  /** The process is gone: of the entries stored since the last call some are, some are not. */
  private killed(): FakeMemory {
    const left = this.fake.copy();
    this.mixEntries(left, this.before);
    left.state.media?.set(this.fake.state.media as Uint8Array);
    return left;
  }

  /** Power has failed: each page, sector of page 0 and entry is as it was or as the media has it. */
  private cut(): FakeMemory {
    const mostlyMedia = this.random.next();
    const left = this.fake.copy(() => this.random.chance(mostlyMedia));
    const media = new Int32Array((this.fake.state.media as Uint8Array).buffer);
    left.metadataWords(0).set(this.words);
    this.mixEntries(left, media);
    for (let word = 0; word < PAGE_BYTES / 4; word += SECTOR_WORDS) {
      if (this.random.chance(0.5)) left.metadataWords(0).set(media.subarray(word, word + SECTOR_WORDS), word);
    }
    left.sync();
    return left;
  }

  private mixEntries(left: FakeMemory, others: Int32Array): void {
    const words = left.metadataWords(0);
    for (let page = 1; page < left.metadataPages; page++) {
      if (!left.holds(page)) continue;
      const first = (page * PAGE_BYTES) / 4;
      for (let at = first; at < first + PAGE_BYTES / 4; at += 2) {
        if (this.random.chance(0.5)) words[at] = others[at] as number;
      }
    }
  }
}

interface Case {
  readonly name: string;
  readonly pool: TestPoolOptions;
  /** Data pages and blocks of the file. */
  readonly dataPages: number;
  readonly blocks: number;
  /** Pages that stay free. */
  readonly free: readonly number[];
  readonly rounds: number;
}

const CASES: readonly Case[] = [
  { name: "as large as its file", pool: { pageCount: 34 }, dataPages: 32, blocks: 32, free: [0, 1, 2, 10], rounds: 5 },
  { name: "thin", pool: { pageCount: 22, maxBlocks: 40 }, dataPages: 20, blocks: 40, free: [0, 1, 5], rounds: 5 },
  {
    name: "larger than its file",
    pool: { pageCount: 52, maxBlocks: 30 },
    dataPages: 50,
    blocks: 30,
    free: [20, 25],
    rounds: 4,
  },
  {
    name: "with several index pages",
    pool: { pageCount: 604, maxBlocks: 600 },
    dataPages: 601,
    blocks: 600,
    free: [1, 560],
    rounds: 1,
  },
];

/** Rehomes `fake`; a pool without a free page may be stuck. */
function goHome(fake: FakeMemory, contents: MisplacedPool["contents"], batchPages: number, watch?: Watch): void {
  const memory = watch === undefined ? fake : new WatchedMemory(fake, watch);
  const awayBefore = awayBlocks(fake, contents).length;
  try {
    const { away, moved, homeless } = rehome(memory, superblockOf(fake), { batchPages });
    expect([moved + away, awayBlocks(fake, contents).length]).toEqual([awayBefore, away]);
    if (homeless === 0) expect(away).toBe(0);
  } catch (error) {
    const isStuck = error instanceof UserError && error.message.includes("no page is free");
    if (!isStuck) throw error;
    expect(contents.size).toBe(superblockOf(fake).geometry.dataPages);
  }
  expect(isClean(fake)).toBe(true);
}

function round(one: Case, durable: boolean, random: Random): void {
  const used = Math.min(one.blocks, one.dataPages - random.pick(one.free));
  const pages = randomPages(random, one.blocks, one.dataPages, used);
  const { fake, contents } = misplaced({ ...one.pool, durable }, pages);
  if (random.chance(0.3)) setState(fake, STATE_DIRTY);
  const batchPages = random.pick([1, 2, 4, 7, 16, 4096]);
  const chance = Math.min(1, 6 / used);
  const first = new Leftovers(fake, random, chance);
  goHome(fake, contents, batchPages, first.watch);
  requireContents(fake, contents);
  for (const left of first.found) {
    // What was left goes on, and is cut off again: also what a probe gives back first must not be missed then.
    const second = new Leftovers(left, random, chance / 4);
    goHome(left, contents, random.pick([1, 4, 4096]), second.watch);
    requireContents(left, contents);
    for (const twice of second.found) requireContents(twice, contents);
  }
}

describe(`rehome that is cut off loses nothing (KMEMFS_SEED=${seed})`, () => {
  for (const durable of [false, true]) {
    it.each(CASES)(`of a ${durable ? "durable" : "volatile"} pool $name`, (one) => {
      const random = new Random(seed);
      for (let number = 0; number < budget(one.rounds); number++) {
        try {
          round(one, durable, random);
        } catch (cause) {
          throw new Error(`round ${number}: ${(cause as Error).message}`, { cause });
        }
      }
    });
  }
});
