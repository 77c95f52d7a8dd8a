/** Claims and frees random pages of a shared free map; each page held is marked, and must not bear a mark before. */
import { parentPort, workerData } from "node:worker_threads";
import { FreeMap } from "../../../src/pool/freeMap.js";

export interface ClaimerInput {
  readonly words: Int32Array;
  readonly summary: Int32Array;
  /** One word a page: the thread that holds it, plus 1. */
  readonly owners: Int32Array;
  readonly pages: number;
  readonly thread: number;
  readonly rounds: number;
}

const { words, summary, owners, pages, thread, rounds } = workerData as ClaimerInput;
const map = new FreeMap(words, summary, pages);
let random = thread * 7919 + 1;
const below = (limit: number): number => {
  random = (Math.imul(random, 1103515245) + 12345) >>> 0;
  return (random >>> 8) % limit;
};
const held: { first: number; count: number }[] = [];
const faults: string[] = [];

function giveUpOne(): void {
  const [run] = held.splice(below(held.length), 1);
  if (run === undefined) return;
  for (let page = run.first; page < run.first + run.count; page++) {
    const was = Atomics.exchange(owners, page, 0);
    if (was !== thread + 1) faults.push(`page ${page} was ${was}`);
  }
  map.free(run.first, run.count);
}

for (let round = 0; round < rounds; round++) {
  const found = below(3) === 0 ? below(pages) : map.findFree(below(pages));
  const count = found < 0 ? 0 : map.claimFrom(found, 1 + below(70));
  for (let page = found; page < found + count; page++) {
    const was = Atomics.compareExchange(owners, page, 0, thread + 1);
    if (was !== 0) faults.push(`page ${page} claimed twice, also by ${was}`);
  }
  if (count > 0) held.push({ first: found, count });
  if (held.length > 6 || count === 0) giveUpOne();
}
while (held.length > 0) giveUpOne();
parentPort?.postMessage(faults);
