/** Random damage on random pools: check tells what was planted, repair mends it, undo puts it back. */
import { expect, it } from "vitest";
import { PAGE_BYTES } from "../../src/base/units.js";
import type { EntryDamage } from "../../src/pool/scan.js";
import { budget } from "../support/budget.js";
import { fingerprint, plantEntry } from "../support/damage.js";
import type { FakeMemory } from "../support/fakeMemory.js";
import { Random, seedOfRun } from "../support/random.js";
import { checkMemory, repairMemory, undoMemory } from "../support/repairRun.js";
import { blocksOf, makePool } from "../support/testPool.js";
import { Cut, cutAfter, WatchedMemory } from "../support/watchedMemory.js";

const seed = seedOfRun();
const ROUNDS = budget(30);

interface Planted {
  readonly fake: FakeMemory;
  /** Sorted, `damage block`. */
  readonly expected: string[];
  readonly duplicates: Set<number>;
  readonly damaged: Set<number>;
  readonly blocks: number;
}

function plant(random: Random): Planted {
  const pageCount = 20 + random.below(60);
  const maxBlocks = 10 + random.below(90);
  const blocks = 5 + random.below(maxBlocks - 5);
  const pool = makePool({ pageCount, maxBlocks, blocks });
  for (let i = 0; i < pageCount / 2; i++) {
    const block = random.below(blocks);
    pool.write(block * PAGE_BYTES, blocksOf(1 + (block % 250)));
  }
  const { fake } = pool;
  const words = fake.metadataWords(0);
  const at = (block: number) => 1024 + 2 * block;
  const damages = new Map<number, EntryDamage>();
  for (let i = 0; i < 1 + random.below(8); i++) {
    const kind = random.pick(["range", "high-word", "beyond-size", "padding"] as const);
    if (kind === "beyond-size" && blocks === maxBlocks) continue;
    const last = Math.ceil(maxBlocks / 512) * 512;
    const block =
      kind === "padding"
        ? maxBlocks + random.below(last - maxBlocks)
        : kind === "beyond-size"
          ? blocks + random.below(maxBlocks - blocks)
          : random.below(blocks);
    const dataPage = 2 + random.below(pageCount - 2);
    if (kind === "range") plantEntry(fake, block, random.pick([1, pageCount, pageCount + random.below(2 ** 31)]));
    else plantEntry(fake, block, dataPage, kind === "high-word" ? 1 + random.below(2 ** 31) : 0);
    damages.set(block, kind);
  }
  const named = new Map<number, number>();
  const duplicates = new Set<number>();
  for (let i = 0; i < random.below(5); i++) {
    const [from, to] = [random.below(blocks), random.below(blocks)];
    const page = words[at(from)];
    if (from !== to && page !== 0 && !damages.has(from) && !damages.has(to)) plantEntry(fake, to, page);
  }
  for (let block = 0; block < blocks; block++) {
    const page = words[at(block)];
    if (page === 0 || damages.has(block)) continue;
    if (named.has(page)) {
      damages.set(block, "duplicate");
      duplicates.add(block);
    } else named.set(page, block);
  }
  const expected = [...damages].map(([block, kind]) => `${kind} ${block}`).sort();
  return { fake, expected, duplicates, damaged: new Set(damages.keys()), blocks };
}

/** What a reader of the file sees, block by block. */
function contents(fake: FakeMemory, blocks: number): (string | null)[] {
  const words = fake.metadataWords(0);
  return Array.from({ length: blocks }, (_, block) => {
    const page = words[1024 + 2 * block] >>> 0;
    if (page === 0 || page >= fake.pageCount || words[1025 + 2 * block] !== 0) return null;
    return Buffer.from(fake.page(page)).toString("latin1");
  });
}

function round(random: Random): void {
  const { fake, expected, duplicates, damaged, blocks } = plant(random);
  const found = checkMemory(fake).findings;
  expect(found.map(({ kind, blockNo }) => `${kind} ${blockNo}`).sort()).toEqual(expected);
  const before = fingerprint(fake);
  const old = contents(fake, blocks);
  const [one, two] = [fake.copy(), fake.copy()];
  const { undo, suspect, lost } = repairMemory(one);
  repairMemory(two);
  expect(fingerprint(two).equals(fingerprint(one))).toBe(true);
  expect(checkMemory(one).findings).toEqual([]);
  expect(repairMemory(one).undo.isEmpty).toBe(true);
  const next = contents(one, blocks);
  for (let block = 0; block < blocks; block++) {
    if (!damaged.has(block)) expect(next[block]).toEqual(old[block]);
    else if (suspect.some(([at]) => at === block)) expect(next[block]).toEqual(old[block]);
    else expect([next[block], lost.includes(block)]).toEqual([null, true]);
  }
  for (const [block] of suspect) expect(duplicates.has(block)).toBe(true);
  if (undo.isEmpty) return;
  const cut = fake.copy();
  try {
    repairMemory(new WatchedMemory(cut, cutAfter(random.below(8))));
  } catch (error) {
    if (!(error instanceof Cut)) throw error;
  }
  const undone = cut.copy();
  for (const memory of [undone, one.copy()]) {
    undoMemory(memory, undo.bytes);
    expect(
      fingerprint(memory)
        .subarray(0, PAGE_BYTES * 2)
        .equals(before.subarray(0, PAGE_BYTES * 2)),
    ).toBe(true);
    expect(contents(memory, blocks)).toEqual(old);
  }
  repairMemory(cut);
  expect(fingerprint(cut).equals(fingerprint(one))).toBe(true);
}

it(`check, repair and undo of random damage, seed ${seed}`, () => {
  const random = new Random(seed);
  for (let i = 0; i < ROUNDS; i++) round(random);
});
