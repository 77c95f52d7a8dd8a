import { describe, expect, it } from "vitest";
import { AssertionError } from "../../../src/base/assert.js";
import { Mutex } from "../../../src/pool/mutex.js";
import { budget } from "../../support/budget.js";
import type { CounterInput } from "../../support/threads/counter.js";
import { runThreads } from "../../support/threads.js";

const makeWords = () => new Int32Array(new SharedArrayBuffer(16));

describe("a mutex", () => {
  it("is held by one at a time", () => {
    const words = makeWords();
    const one = new Mutex(words, 1);
    const other = new Mutex(words, 1);
    one.lock();
    expect(other.tryLock()).toBe(false);
    one.unlock();
    expect(other.tryLock()).toBe(true);
    expect(one.tryLock()).toBe(false);
    other.unlock();
    expect([...words]).toEqual([0, 0, 0, 0]);
  });

  it("that is not held cannot be unlocked", () => {
    expect(() => new Mutex(makeWords(), 0).unlock()).toThrow(AssertionError);
  });

  it("keeps four threads from each other, and wakes all that wait", async () => {
    const words = makeWords();
    const rounds = budget(30_000);
    const apart = await runThreads<number>("counter", Array<CounterInput>(4).fill({ words, rounds }));
    expect(apart).toEqual([0, 0, 0, 0]);
    expect([...words]).toEqual([0, 4 * rounds, 4 * rounds, 0]);
  });
});
