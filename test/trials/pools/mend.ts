/** Rehome and the recovery of direct mode, on whatever pool there is: what the blocks hold must stay. */
import { UserError } from "../../../src/base/errors.js";
import { beginDirect, endDirect, recoverDirect } from "../../../src/pool/directMode.js";
import { rehome } from "../../../src/pool/rehome.js";
import { decode, type Superblock } from "../../../src/pool/superblock.js";
import { superblockPage } from "../../../src/pool/superblockStore.js";
import type { Look } from "./look.js";
import { look } from "./look.js";
import type { Media } from "./media.js";
import { MediaData, MediaMemory } from "./mediaMemory.js";
import type { Contents } from "./openMedia.js";
import { openOrRefuse, requireClean, requireSame } from "./serve.js";
import { demand } from "./violation.js";

/** A pool in direct use names its size itself; what is larger than this is recovered and not opened. */
const MOST_OPENED_PAGES = 4096;

export function rehomeMedia(media: Media, looked: Look, superblock: Superblock, shown: Contents): void {
  const { firstDataPage, pageCount } = superblock.geometry;
  const memory = new MediaMemory(media, firstDataPage, pageCount, false);
  let report: ReturnType<typeof rehome>;
  try {
    report = rehome(memory, superblock, { batchPages: 1 + (superblock.generation & 7) });
  } catch (error) {
    if (!(error instanceof Error && (error.name === "MediaError" || error instanceof UserError))) throw error;
    const isSound = looked.check?.indexFindings === 0;
    demand(!isSound || error.name !== "MediaError", () => `rehome refuses a sound pool: ${error.message}`);
    if (!isSound) demand(media.isAsSaved(), () => "a rehome that was refused changed the pool");
    else requireKept(media, shown);
    return;
  }
  demand(looked.check?.indexFindings === 0, () => `rehome takes a pool in which check finds something`);
  demand(report.away >= report.homeless, () => "more blocks have no home than are away");
  requireClean(media, shown);
}

/** In a pool left in direct mode all blocks are on their home pages: there is nothing to do. */
export function rehomeDirect(media: Media, superblock: Superblock): void {
  const { firstDataPage, pageCount } = superblock.geometry;
  const report = rehome(new MediaMemory(media, firstDataPage, pageCount, false), superblock);
  demand(report.wasDirect && media.isAsSaved(), () => "a rehome of a pool in direct use does something");
}

function requireKept(media: Media, shown: Contents): void {
  media.save();
  const after = look(media);
  if (after.superblock === null) throw new Error("a rehome that failed left no superblock");
  const open = openOrRefuse(media, after.superblock, true);
  demand(open !== null, () => "a rehome that failed left a pool that does not open");
  requireSame(shown, open?.readAll(true) ?? new Map(), "after a rehome that failed");
}

/** A pool whose direct way was cut off, opened served mode. */
export function recoverMedia(media: Media, superblock: Superblock): void {
  const { geometry, blocks } = superblock;
  const { firstDataPage, pageCount, dataPages } = geometry;
  const memory = new MediaMemory(media, firstDataPage, pageCount, false);
  const held = new Map<number, number>();
  for (let page = 0; page < Math.min(blocks, media.data.pages, media.data.held.length); page++) {
    if (media.data.held[page] === 1) held.set(page, memory.stampOf(firstDataPage + page));
  }
  const errno = recoverDirect(memory, new MediaData(media), geometry, blocks);
  if (errno !== 0) return;
  demand(media.data.pages === dataPages, () => "data has not the pool's length after its recovery");
  if (pageCount > MOST_OPENED_PAGES) return;
  const open = openOrRefuse(media, decode(superblockPage(memory), pageCount), false);
  demand(open !== null, () => "a recovered pool cannot be opened");
  requireSame(held, open?.readAll(true) ?? new Map(), "after the recovery of a direct pool");
}

/** A pool whose blocks are all at home, given to direct mode and taken back. */
export function throughDirect(media: Media, superblock: Superblock, shown: Contents): void {
  const { geometry, blocks } = superblock;
  if (!media.split || geometry.maxBlocks > geometry.dataPages) return;
  const open = openOrRefuse(media, superblock, false);
  if (open === null) return;
  for (const block of shown.keys()) if (open.pool.index.get(block) !== geometry.firstDataPage + block) return;
  const { memory } = open;
  const data = new MediaData(media);
  demand(beginDirect(memory, data, blocks) === 0, () => "a pool is not taken into direct mode");
  if (endDirect(memory, data, geometry, blocks) !== 0) return;
  // An entry whose page held nothing is a hole by direct mode's own rule.
  const kept = new Map([...shown].filter(([, stamp]) => stamp !== 0));
  media.save();
  const after = look(media);
  demand(
    after.superblock !== null && after.check?.findings === 0,
    () => `after direct mode: ${after.check?.firstMessage}`,
  );
  const again = openOrRefuse(media, after.superblock as Superblock, true);
  demand(again !== null, () => "a pool does not open after direct mode");
  for (const [block, stamp] of again?.readAll(true) ?? new Map()) {
    demand((kept.get(block) ?? 0) === stamp, () => `block ${block} holds ${stamp} after direct mode`);
    kept.delete(block);
  }
  demand(kept.size === 0, () => "direct mode lost a block");
}
