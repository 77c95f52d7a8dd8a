import { describe, expect, it } from "vitest";
import { EPOCH_WORDS, Epochs, MAX_THREADS } from "../../../src/pool/epochs.js";

function makeThreads(count: number, firstEpoch = 0): readonly Epochs[] {
  const words = new Int32Array(new SharedArrayBuffer((EPOCH_WORDS + 32) * 4));
  words[32] = firstEpoch;
  return Array.from({ length: count }, (_, thread) => new Epochs(words, 32, thread));
}

/** What a discard does: entries are cleared before. */
function open(epochs: Epochs): number {
  const epoch = epochs.next();
  epochs.advance();
  return epoch;
}

describe.each([0, 2 ** 30 - 2, 2 ** 31 - 2, 2 ** 31 - 1, -2, -1])("epochs from %d on", (firstEpoch) => {
  it("have passed when nobody is inside", () => {
    const [self] = makeThreads(3, firstEpoch) as [Epochs, Epochs, Epochs];
    expect(self.hasPassed(open(self))).toBe(true);
  });

  it("have not passed while a request that began before is inside", () => {
    const [self, early, late] = makeThreads(3, firstEpoch) as [Epochs, Epochs, Epochs];
    early.enter();
    const epoch = open(self);
    late.enter();
    expect(self.hasPassed(epoch)).toBe(false);
    late.leave();
    expect(self.hasPassed(epoch)).toBe(false);
    early.leave();
    expect(self.hasPassed(epoch)).toBe(true);
  });

  it("do not wait for requests that began after, however many come", () => {
    const [self, late] = makeThreads(2, firstEpoch) as [Epochs, Epochs];
    const epoch = open(self);
    late.enter();
    expect(self.hasPassed(epoch)).toBe(true);
    const second = open(self);
    expect(self.hasPassed(epoch)).toBe(true);
    expect(self.hasPassed(second)).toBe(false);
    late.enter();
    expect(self.hasPassed(second)).toBe(true);
  });

  it("do not wait for the asker itself, but others wait for it", () => {
    const [self, other] = makeThreads(2, firstEpoch) as [Epochs, Epochs];
    self.enter();
    const epoch = open(self);
    expect(self.hasPassed(epoch)).toBe(true);
    expect(other.hasPassed(epoch)).toBe(false);
  });

  it("take all for gone when told so", () => {
    const threads = makeThreads(MAX_THREADS, firstEpoch);
    for (const thread of threads) thread.enter();
    const [self] = threads as [Epochs];
    const epoch = open(self);
    expect(self.hasPassed(epoch)).toBe(false);
    self.forgetAll();
    expect(self.hasPassed(epoch)).toBe(true);
  });
});

it("look at the last thread too", () => {
  const threads = makeThreads(MAX_THREADS);
  const self = threads[0] as Epochs;
  const last = threads[MAX_THREADS - 1] as Epochs;
  last.enter();
  expect(self.hasPassed(open(self))).toBe(false);
});

it("a thread counts whichever was the first to have its slot, and one that comes later too", () => {
  const words = new Int32Array(new SharedArrayBuffer((EPOCH_WORDS + 32) * 4));
  const last = new Epochs(words, 32, MAX_THREADS - 1);
  const first = new Epochs(words, 32, 0);
  last.enter();
  expect(first.hasPassed(open(first))).toBe(false);
  last.leave();
  const middle = new Epochs(words, 32, 7);
  middle.enter();
  expect(first.hasPassed(open(first))).toBe(false);
  middle.leave();
  expect(first.hasPassed(open(first))).toBe(true);
});
