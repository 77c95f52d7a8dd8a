/** What must hold whenever nothing runs: the account is the memory, and no page is lost or has two blocks. */
import { PAGE_BYTES } from "../../../src/base/units.js";
import type { TestPool } from "../../support/testPool.js";

/** @returns what is wrong; changes nothing */
export function quietFaults(pool: TestPool): string[] {
  const faults: string[] = [];
  const blockOf = new Map<number, number>();
  for (let block = 0; block < pool.pool.blocks; block++) {
    const page = pool.pool.index.get(block);
    if (page === 0) continue;
    const other = blockOf.get(page);
    if (other !== undefined) faults.push(`blocks ${other} and ${block} are both on page ${page}`);
    if (!pool.pool.allocator.isTaken(page)) faults.push(`page ${page} of block ${block} counts as free`);
    blockOf.set(page, block);
  }
  const { used, limbo } = pool.pool.account;
  if (used !== blockOf.size) faults.push(`${used} pages are counted, ${blockOf.size} blocks are mapped`);
  const taken = countTaken(pool);
  if (taken !== used + limbo) faults.push(`${taken} pages are taken, ${used} are used and ${limbo} in limbo`);
  // Where nothing can be punched, what was once used stays held.
  if (pool.fake.canPunch && pool.fake.heldPages !== pool.accountedPages) {
    faults.push(`the account says ${pool.accountedPages} pages, the backing holds ${pool.fake.heldPages}`);
  }
  const strays = pool.fake.strayStores();
  if (strays.length > 0) faults.push(`stores to pages that hold no memory: ${strays.join(" ")}`);
  return faults;
}

/** Lets limbo go, then maps what is free. @returns what is wrong: all that is not mapped can be had again */
export function endFaults(pool: TestPool): string[] {
  const errno = pool.pool.flushAndDrain();
  pool.pool.leave();
  const faults = errno === 0 ? quietFaults(pool) : [`settle: ${errno}`];
  if (pool.pool.account.limbo !== 0) faults.push(`${pool.pool.account.limbo} pages stay in limbo`);
  const { used, free } = pool.pool.account;
  const holes = Array.from({ length: pool.pool.blocks }, (_, block) => block).filter(
    (block) => pool.pool.index.get(block) === 0,
  );
  pool.fake.limit(pool.fake.pageCount + pool.fake.grainPages);
  for (const block of holes.slice(0, free)) {
    const result = pool.reserve(block * PAGE_BYTES, PAGE_BYTES);
    if (result !== 0) faults.push(`block ${block} cannot be reserved: ${result}, ${free} pages were free`);
  }
  const again = pool.reopen();
  const expected = used + Math.min(holes.length, free);
  if (again.pool.account.used !== expected)
    faults.push(`${again.pool.account.used} pages after reopening, not ${expected}`);
  return faults;
}

function countTaken(pool: TestPool): number {
  const { firstDataPage, pageCount } = pool.geometry;
  let taken = 0;
  for (let page = firstDataPage; page < pageCount; page++) if (pool.pool.allocator.isTaken(page)) taken++;
  return taken;
}
