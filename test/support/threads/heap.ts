/**
 * Measures what requests leave on the heap: `node --expose-gc heap.js <requests> [<slices>]`
 * prints the bytes a request leaves before a collection, and what is used after each slice and its collection.
 */
import { IovecList, MAX_IOVECS } from "../../../src/base/iovec.js";
import { makePool } from "../testPool.js";

/** What it prints, as JSON. */
export interface HeapOutput {
  readonly bytesPerRequest: number;
  readonly usedBytes: readonly number[];
}

declare const gc: () => void;

const PAGE = 4096;
const requests = Number(process.argv[2]);
const slices = Number(process.argv[3] ?? "0");
const pool = makePool({ pageCount: 130 });
const source = pool.fake.bufferAddress(0);
const into = new IovecList(new Int32Array(MAX_IOVECS * 4));
const { file } = pool;

/** Overwrites and reads; blocks 0 to 3 stay mapped, blocks 8 to 11 come and go. */
function run(count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) {
    pool.fake.beginRequest();
    const at = (i & 3) * PAGE;
    file.enter();
    sum += file.write(at, PAGE, source);
    file.leave();
    file.enter();
    into.clear();
    sum += file.read(0, 16 * PAGE, into);
    file.leave();
    file.enter();
    sum += i & 4 ? file.discard(8 * PAGE + at, PAGE) : file.write(8 * PAGE + at, PAGE, source);
    file.leave();
  }
  return sum;
}

run(20_000);
gc();
const before = process.memoryUsage().heapUsed;
run(slices === 0 ? requests : 10_000);
const grown = process.memoryUsage().heapUsed - before;
const usedBytes: number[] = [];
for (let slice = 0; slice < slices; slice++) {
  run(Math.ceil(requests / 3 / slices));
  gc();
  usedBytes.push(process.memoryUsage().heapUsed);
}
process.stdout.write(JSON.stringify({ bytesPerRequest: grown / (3 * requests), usedBytes } satisfies HeapOutput));
