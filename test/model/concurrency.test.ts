/** Threads on one pool of few pages: no request ever reads another block's bytes. */
import { describe, expect, it } from "vitest";
import { PAGE_BYTES } from "../../src/base/units.js";
import { budget } from "../support/budget.js";
import { seedOfRun } from "../support/random.js";
import { formatFake, openPool, type TestPoolOptions } from "../support/testPool.js";
import type { StamperInput, StamperOutput } from "../support/threads/stamper.js";
import { runThreads } from "../support/threads.js";

const THREADS = 4;
const seed = seedOfRun();

describe(`${THREADS} threads on one pool (KMEMFS_SEED=${seed})`, () => {
  it.each<readonly [string, TestPoolOptions]>([
    ["that is thin, so that pages change hands all the time", { pageCount: 14, maxBlocks: 24 }],
    ["that fits its file", { pageCount: 26 }],
    ["that is durable and thin", { pageCount: 14, maxBlocks: 24, durable: true }],
    ["with grains", { pageCount: 32, maxBlocks: 40, grainPages: 4 }],
  ])("%s", async (_name, options) => {
    const pool = openPool(formatFake(options));
    const inputs = Array.from(
      { length: THREADS },
      (_, i): StamperInput => ({
        memory: pool.fake.state,
        common: pool.common,
        thread: i + 1,
        seed,
        milliseconds: budget(1000),
      }),
    );
    const outputs = await runThreads<StamperOutput>("stamper", inputs);
    expect(outputs.flatMap((output) => output.faults)).toEqual([]);
    for (const output of outputs) {
      expect(Math.min(output.reads, output.writes, output.discards)).toBeGreaterThan(0);
    }
    // A page for each block: whoever finds none free waits for one that is on its way.
    if (pool.geometry.dataPages >= pool.pool.blocks)
      expect(outputs.map((output) => output.shortages)).toEqual([0, 0, 0, 0]);
    expect(pool.pool.flushAndDrain()).toBe(0);
    pool.pool.leave();
    let mapped = 0;
    for (let block = 0; block < pool.pool.blocks; block++) if (pool.pool.index.get(block) !== 0) mapped++;
    const { used, limbo } = pool.pool.account;
    expect([used, limbo]).toEqual([mapped, 0]);
    expect(pool.fake.heldPages).toBe(pool.accountedPages);
    expect(pool.fake.strayStores()).toEqual([]);
    // All that is not mapped can be had again: no page was lost on the way.
    const room = pool.geometry.dataPages - mapped;
    const holes = Array.from({ length: pool.pool.blocks }, (_, block) => block).filter(
      (block) => pool.pool.index.get(block) === 0,
    );
    for (const block of holes.slice(0, room)) expect(pool.reserve(block * PAGE_BYTES, PAGE_BYTES)).toBe(0);
    const again = pool.reopen();
    expect(again.pool.account.used).toBe(Math.min(mapped + holes.length, pool.geometry.dataPages));
  });
});
