/**
 * Makes the pool that an input describes: valid first, then damaged. The first
 * bytes choose its shape, the next what is done with it, the rest are damages.
 */
import { PAGE_BYTES } from "../../../src/base/units.js";
import { ENTRIES_PER_PAGE, layOut } from "../../../src/pool/geometry.js";
import {
  COPY_OFFSETS,
  encode,
  INCOMPATIBLE_SPLIT,
  STATE_CLEAN,
  STATE_DIRECT,
  STATE_DIRTY,
  STATE_FORMATTING,
  type Superblock,
} from "../../../src/pool/superblock.js";
import type { InputBytes } from "./inputBytes.js";
import type { Media } from "./media.js";

/** A pool as it was made; damages pick their places by it. */
export interface Shape {
  readonly pageCount: number;
  readonly indexPages: number;
  readonly maxBlocks: number;
  readonly blocks: number;
  readonly state: number;
  readonly split: boolean;
}

const MOST_INDEX_PAGES = 6;
const MOST_DATA_PAGES = 34;
const STATES = [STATE_CLEAN, STATE_DIRTY, STATE_DIRECT, STATE_FORMATTING, STATE_CLEAN, STATE_DIRTY];
const uuid = Uint8Array.from({ length: 16 }, (_, i) => i + 1);
const label = new Uint8Array([102, 117, 122, 122]);

/** Fills `media` with a valid pool. @returns its shape */
export function buildPool(input: InputBytes, media: Media): Shape {
  const flags = input.u8();
  const split = (flags & 1) !== 0;
  const shape = chooseShape(input, split);
  const { indexPages, pageCount, state } = shape;
  const dataPages = pageCount - 1 - indexPages;
  media.split = split;
  media.canPunch = split || (flags & 0x0e) !== 0x0e;
  media.durable = (flags & 0x10) !== 0;
  media.meta.clear(split ? 1 + indexPages : pageCount);
  media.data.clear(split ? (state === STATE_DIRECT ? shape.blocks : dataPages) : 0);
  media.limitPages = (flags & 0xe0) === 0xe0 ? 1 + indexPages + (dataPages >> 1) : 1_000;
  if (!media.canPunch) media.meta.held.fill(1, 0, pageCount);
  storeSuperblocks(input, media, shape);
  mapBlocks(input, media, shape);
  return shape;
}

function chooseShape(input: InputBytes, split: boolean): Shape {
  const dataPages = 1 + input.below(MOST_DATA_PAGES);
  const indexPages = 1 + (input.u8() < 128 ? 0 : input.below(MOST_INDEX_PAGES));
  const entries = indexPages * ENTRIES_PER_PAGE;
  const wanted = [dataPages, 1 + input.below(entries), entries, Math.min(entries, dataPages + 3)];
  const maxBlocks = wanted[input.u8() & 3] as number;
  const blocks = [maxBlocks, input.below(maxBlocks + 1), Math.min(maxBlocks, dataPages)][input.u8() % 3] as number;
  let state = input.pick(STATES);
  // Only split pools that are not thin were ever direct; damages make others.
  if (state === STATE_DIRECT && (!split || maxBlocks > dataPages)) state = STATE_DIRTY;
  return { pageCount: 1 + indexPages + dataPages, indexPages, maxBlocks, blocks, state, split };
}

export function superblockOf(shape: Shape, generation: number): Superblock {
  return {
    geometry: layOut(shape.pageCount, shape.indexPages, shape.maxBlocks),
    blocks: shape.blocks,
    generation,
    state: shape.state,
    incompatible: shape.split ? INCOMPATIBLE_SPLIT : 0,
    readonlyCompatible: 0,
    formattedMs: 1_700_000_000_000,
    uuid,
    label,
  };
}

function storeSuperblocks(input: InputBytes, media: Media, shape: Shape): void {
  const generation = 2 + input.u8();
  media.meta.held[0] = 1;
  for (const age of [1, 0]) {
    const at = COPY_OFFSETS[(generation - age) % COPY_OFFSETS.length] as number;
    media.meta.bytes.set(encode(superblockOf(shape, generation - age)), at);
  }
}

/** Maps some blocks: as format --full does, or a run here and there, at home or not. Each data page gets a stamp. */
function mapBlocks(input: InputBytes, media: Media, shape: Shape): void {
  const firstDataPage = 1 + shape.indexPages;
  const dataPages = shape.pageCount - firstDataPage;
  const style = input.u8();
  const isDirect = shape.state === STATE_DIRECT;
  const most = Math.min(shape.blocks, dataPages);
  const step = 1 + (style & 3);
  const turn = style >= 128 && !isDirect ? 1 + (style & 15) : 0;
  // In a thin pool also blocks that have no home.
  const stretch = isDirect ? 1 : Math.max(1, Math.floor(shape.blocks / dataPages));
  for (let i = 0; i < most; i += step) {
    const block = (style & 0x40) !== 0 ? i * stretch : i;
    const page = firstDataPage + ((i + turn) % dataPages);
    if (!isDirect) storeEntry(media, block, page, 0);
    holdPage(media, firstDataPage, page);
  }
}

/** Stores an entry, both words, where the file is long enough. */
export function storeEntry(media: Media, block: number, low: number, high: number): void {
  const at = (PAGE_BYTES + block * 8) / 4;
  const indexPage = 1 + Math.floor(block / ENTRIES_PER_PAGE);
  if (indexPage >= Math.min(media.meta.pages, media.meta.held.length)) return;
  media.meta.held[indexPage] = 1;
  media.meta.words[at] = low;
  media.meta.words[at + 1] = high;
}

/** Gives a data page memory, and a content that tells its number. */
export function holdPage(media: Media, firstDataPage: number, pageNo: number): void {
  const file = media.split ? media.data : media.meta;
  const page = media.split ? pageNo - firstDataPage : pageNo;
  if (page < 0 || page >= Math.min(file.pages, file.held.length)) return;
  file.held[page] = 1;
  file.words[(page * PAGE_BYTES) / 4] = 0x5a00_0000 + pageNo;
}
