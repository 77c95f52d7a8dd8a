/** What the index says of a block and those behind it. */
import { EIO } from "../base/errno.js";
import type { BlockNo, Errno } from "../base/units.js";
import { DAMAGE } from "./damage.js";
import type { Pool } from "./pool.js";
import type { Run } from "./run.js";

/**
 * Finds the run at `block`: adjacent pages, or holes, up to `end` at most.
 * @returns 0, or EIO for an entry that names no data page, or one that is lost
 */
export function lookUp(pool: Pool, block: BlockNo, end: BlockNo, found: Run): Errno {
  const { index, geometry, damage } = pool;
  const page = index.get(block);
  let next = block + 1;
  if (page === 0) {
    while (next < end && index.get(next) === 0) next++;
  } else {
    if (!pool.isSound(page)) {
      damage.note(DAMAGE.entry, block, page);
      return EIO;
    }
    const runEnd = Math.min(end, block + geometry.pageCount - page);
    while (next < runEnd && index.get(next) === page + (next - block)) next++;
    if (damage.isFound) {
      const mappedEnd = next;
      next = block + 1;
      while (next < mappedEnd && pool.isSound(page + (next - block))) next++;
    }
  }
  found.page = page;
  found.count = next - block;
  return 0;
}
