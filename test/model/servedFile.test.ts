/** Random work on the block file against a naive one. `KMEMFS_SEED=<seed>` repeats a run. */
import { describe, it } from "vitest";
import { ENOSPC } from "../../src/base/errno.js";
import { budget } from "../support/budget.js";
import { ModelRun, runModel } from "../support/modelRun.js";
import { Random, seedOfRun } from "../support/random.js";
import { makePool } from "../support/testPool.js";
import type { Watch } from "../support/watchedMemory.js";

const seed = seedOfRun();

describe(`the block file and a naive one agree (KMEMFS_SEED=${seed})`, () => {
  it.each([
    ["a pool that fits its file", { pageCount: 66 }, 3000],
    ["a thin pool", { pageCount: 24, maxBlocks: 60 }, 3000],
    ["an index of several pages, most of them absent", { pageCount: 80, maxBlocks: 3000, blocks: 2000 }, 150],
    ["a durable pool", { pageCount: 66, durable: true }, 2000],
    ["a thin durable pool", { pageCount: 24, maxBlocks: 60, durable: true }, 2000],
    ["grains of 8 pages", { pageCount: 64, grainPages: 8 }, 2000],
    ["grains of 8 pages, thin", { pageCount: 32, maxBlocks: 80, grainPages: 8 }, 2000],
    ["grains of 512 pages", { pageCount: 2048, maxBlocks: 300, grainPages: 512 }, 150],
    ["a device that cannot be punched", { pageCount: 40, canPunch: false }, 2000],
    ["format --full", { pageCount: 66, full: true }, 1500],
    ["a pool with atomic writes", { pageCount: 90, maxBlocks: 64, atomicWrites: true }, 2000],
    [
      "a thin durable pool with atomic writes",
      { pageCount: 24, maxBlocks: 60, durable: true, atomicWrites: true },
      1500,
    ],
  ] as const)("on %s", (_name, options, steps) => {
    const pool = makePool(options);
    const notPunched = "canPunch" in options;
    const atomicWrites = "atomicWrites" in options;
    const run = new ModelRun(pool, new Random(seed), { holdsAll: notPunched, atomicWrites });
    runModel(run, budget(steps));
  });

  it("where the memory runs out before the pool does", () => {
    const random = new Random(seed);
    const pool = makePool({ pageCount: 66 });
    const run = new ModelRun(pool, random, { memoryMayRunOut: true });
    for (let round = 0; round < budget(60); round++) {
      pool.fake.limit(Math.max(pool.fake.heldPages, 20 + random.below(30)));
      runModel(run, 40);
    }
  });

  it("where grains run out before the pool does", () => {
    const random = new Random(seed);
    const pool = makePool({ pageCount: 128, maxBlocks: 100, grainPages: 8 });
    const run = new ModelRun(pool, random, { memoryMayRunOut: true });
    for (let round = 0; round < budget(40); round++) {
      pool.fake.limit(Math.max(pool.fake.heldPages, 40 + random.below(60)));
      runModel(run, 40);
    }
  });

  it.each([false, true])("where the memory fails now and then (durable: %s)", (durable) => {
    const faults = new Random(seed ^ 0x5a5a);
    let quiet = false;
    const watch: Watch = ({ verb }) => {
      if (quiet) return 0;
      if (verb === "fill" || verb === "populate") return faults.chance(0.15) ? ENOSPC : 0;
      return 0;
    };
    const pool = makePool({ pageCount: 66, durable, watch });
    const run = new ModelRun(pool, new Random(seed), { memoryMayRunOut: true, watch });
    runModel(run, budget(2500));
    quiet = true;
    runModel(run, 100);
  });

  it("where limbo is emptied late, as other threads are inside", () => {
    const random = new Random(seed);
    const pool = makePool({ pageCount: 66 });
    const run = new ModelRun(pool, random, { singleOpening: true });
    const others = [1, 2, 3].map((thread) => pool.join(thread));
    const inside = new Set<number>();
    for (let step = 0; step < budget(2000); step++) {
      const which = random.below(3);
      if (inside.has(which)) {
        others[which]?.file.leave();
        inside.delete(which);
      } else if (pool.pool.account.free > 24) {
        others[which]?.file.enter();
        inside.add(which);
      }
      // Waiting for another thread in the same thread would be for ever.
      if (pool.pool.account.free <= 24) {
        for (const one of inside) others[one]?.file.leave();
        inside.clear();
      }
      runModel(run, 1);
    }
  });
});
