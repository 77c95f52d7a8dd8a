/**
 * One of several threads at random work on a small pool. What it writes to
 * block b is stamped all over with b; what it reads must be stamps of that block,
 * or zeros. A page that is given back too early shows another stamp, or poison.
 */
import { parentPort, workerData } from "node:worker_threads";
import { PAGE_BYTES } from "../../../src/base/units.js";
import { FakeMemory, type FakeMemoryState } from "../fakeMemory.js";
import { joinPool, type TestPool, type TestShared } from "../testPool.js";

export interface StamperInput {
  readonly memory: FakeMemoryState;
  readonly common: TestShared;
  readonly thread: number;
  readonly seed: number;
  readonly milliseconds: number;
}

export interface StamperOutput {
  readonly faults: readonly string[];
  readonly reads: number;
  readonly writes: number;
  readonly shortages: number;
  readonly discards: number;
}

const input = workerData as StamperInput;
const fake = FakeMemory.attach(input.memory);
const pool = joinPool(fake, input.common, input.thread);
const blocks = pool.pool.blocks;
const faults: string[] = [];
let [reads, writes, shortages, discards] = [0, 0, 0, 0];
let random = (input.seed ^ (input.thread * 0x9e3779b9)) >>> 0;
const below = (limit: number): number => {
  random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
  return (random >>> 10) % limit;
};

/** Every word of the block is its number plus 1: never 0, never the poison. */
function write(block: number, count: number, isPartial: boolean): void {
  const bytes = new Uint8Array(count * PAGE_BYTES);
  const words = new Uint32Array(bytes.buffer);
  for (let i = 0; i < words.length; i++) words[i] = block + 1 + Math.floor(i / 1024);
  const skip = isPartial ? 4 * below(512) : 0;
  const result = pool.write(block * PAGE_BYTES + skip, bytes.subarray(skip, bytes.length - skip));
  if (result >= 0) writes++;
  else if (result === -28) shortages++;
  else faults.push(`write of block ${block}: ${result}`);
}

function read(pool: TestPool, block: number, count: number): void {
  const bytes = pool.read(block * PAGE_BYTES, count * PAGE_BYTES);
  const words = new Uint32Array(bytes.buffer);
  const wrong = words.findIndex((word, i) => word !== 0 && word !== block + 1 + Math.floor(i / 1024));
  if (wrong >= 0) faults.push(`block ${block + Math.floor(wrong / 1024)} shows ${words[wrong]}`);
  reads++;
}

const end = Date.now() + input.milliseconds;
while (Date.now() < end && faults.length < 10) {
  const block = below(blocks);
  const count = Math.min(1 + below(6), blocks - block);
  const dice = below(10);
  if (dice < 4) write(block, count, dice === 0);
  else if (dice < 7) read(pool, block, count);
  else if (dice < 9) {
    const inset = dice === 8 ? 4 * below(512) : 0;
    const result = pool.discard(block * PAGE_BYTES + inset, count * PAGE_BYTES - 2 * inset);
    if (result !== 0) faults.push(`discard of block ${block}: ${result}`);
    discards++;
  } else if (fake.durable && below(4) === 0) pool.pool.flushAndDrain();
  else {
    const result = pool.reserve(block * PAGE_BYTES, count * PAGE_BYTES);
    if (result === -28) shortages++;
    else if (result !== 0) faults.push(`reserve of block ${block}: ${result}`);
  }
}
parentPort?.postMessage({ faults, reads, writes, shortages, discards } satisfies StamperOutput);
