/** What may be wrong with a pool: each damage is a code byte and its operands in the input. */
import { crc32c } from "../../../src/base/bytes.js";
import { PAGE_BYTES } from "../../../src/base/units.js";
import { COPY_BYTES, COPY_OFFSETS, layout, STATE_DIRECT } from "../../../src/pool/superblock.js";
import { holdPage, type Shape, storeEntry } from "./buildPool.js";
import type { InputBytes } from "./inputBytes.js";
import { ARENA_PAGES, type Media } from "./media.js";

const MOST_DAMAGES = 24;
type Field = keyof typeof layout.fields;
/** Those that others depend on come more often. */
const FIELDS: readonly Field[] = [
  ...(Object.keys(layout.fields) as Field[]),
  "pageCount",
  "indexPages",
  "indexEntries",
  "blocks",
  "generation",
  "generation",
  "state",
];

type Damage = (input: InputBytes, media: Media, shape: Shape) => void;

const damages: readonly Damage[] = [
  field,
  field,
  field,
  entry,
  entry,
  duplicate,
  swapEntries,
  clearEntry,
  padding,
  rawByte,
  rawRun,
  dropPage,
  strayPage,
  poolLength,
  metaLength,
  otherLayout,
  swapFiles,
  copyOfCopy,
  wipeCopy,
  allFields,
  directState,
];

/** Does the damages that are left in `input`. @returns how many */
export function damage(input: InputBytes, media: Media, shape: Shape): number {
  let count = 0;
  for (; count < MOST_DAMAGES && !input.isAtEnd; count++) input.pick(damages)(input, media, shape);
  return count;
}

/** Values at which a comparison of a 64-bit number, or a sum or product of two, may go wrong: low and high word. */
function boundary(input: InputBytes, shape: Shape): readonly [number, number] {
  const { pageCount, indexPages, maxBlocks, blocks } = shape;
  const near = [0, 1, 2, 3, 4, 511, 512, 513, pageCount, 1 + indexPages, indexPages, maxBlocks, blocks, 4096, 65536];
  const far: readonly (readonly [number, number])[] = [
    [0x7fff_ffff, 0],
    [0x8000_0000, 0],
    [0xffff_fbff, 0],
    [0xffff_fc00, 0],
    [0xffff_ffff, 0],
    [0, 1],
    [pageCount, 1],
    [0, 0x0080_0000],
    [1, 0x0080_0000],
    [0, 0x0010_0000],
    [1, 0x0010_0000],
    [0xffff_ffff, 0x001f_ffff],
    [0, 0x0020_0000],
    [0, 0x8000_0000],
    [0xffff_ffff, 0xffff_ffff],
    [pageCount, 0x8000_0000],
  ];
  const code = input.u8();
  if (code < 128) return [(near[code % near.length] as number) + ((code >> 5) - 1), 0];
  if (code < 224) return far[code % far.length] as readonly [number, number];
  return [input.u32(), code < 240 ? 0 : input.u32()];
}

/** Changes a field of one copy or both, and mostly makes the checksum right again. */
function field(input: InputBytes, media: Media, shape: Shape): void {
  const where = input.u8();
  const name = input.pick(FIELDS);
  const value = boundary(input, shape);
  for (const at of chosenCopies(where)) {
    const word = at / 4 + layout.word[name];
    const wordCount = layout.fields[name] === "u32" ? 1 : 2;
    media.meta.words[word] = value[0];
    if (wordCount === 2) media.meta.words[word + 1] = value[1];
    if ((where & 12) !== 0) fixChecksum(media, at);
  }
}

function chosenCopies(where: number): readonly number[] {
  const chosen = where & 3;
  return chosen < 2 ? [COPY_OFFSETS[chosen] as number] : COPY_OFFSETS;
}

export function fixChecksum(media: Media, at: number): void {
  const checksum = crc32c(media.meta.bytes.subarray(at, at + layout.offset.checksum));
  media.meta.words[(at + layout.offset.checksum) / 4] = checksum;
}

/** pageCount, indexPages and indexEntries together, as a geometry that is nonsense as a whole needs. */
function allFields(input: InputBytes, media: Media, shape: Shape): void {
  const where = input.u8();
  const values = [boundary(input, shape), boundary(input, shape), boundary(input, shape), boundary(input, shape)];
  const names = ["pageCount", "indexPages", "indexEntries", "blocks"] as const;
  for (const at of chosenCopies(where)) {
    names.forEach((name, i) => {
      if (((where >> 4) & (1 << i)) !== 0) return;
      media.meta.words.set(values[i] as readonly [number, number], at / 4 + layout.word[name]);
    });
    fixChecksum(media, at);
  }
}

/** As if it were in use in direct mode, whatever else it is. */
function directState(input: InputBytes, media: Media): void {
  for (const at of chosenCopies(input.u8())) {
    media.meta.words[at / 4 + layout.word.state] = STATE_DIRECT;
    fixChecksum(media, at);
  }
}

function someBlock(input: InputBytes, shape: Shape): number {
  const code = input.u8();
  if (code < 160) return code % Math.min(64, shape.maxBlocks);
  if (code < 224) return input.u16() % shape.maxBlocks;
  const edges = [shape.maxBlocks - 1, shape.blocks, shape.blocks + 1, shape.blocks - 1, 511, 512];
  return Math.max(0, edges[code % edges.length] as number) % (shape.indexPages * 512);
}

function entry(input: InputBytes, media: Media, shape: Shape): void {
  const block = someBlock(input, shape);
  const [low, high] = boundary(input, shape);
  const code = input.u8();
  const inside = 1 + shape.indexPages + (code % 32);
  storeEntry(media, block, code < 128 ? inside : low, code < 192 ? 0 : high);
}

function duplicate(input: InputBytes, media: Media, shape: Shape): void {
  const from = (PAGE_BYTES + someBlock(input, shape) * 8) / 4;
  storeEntry(media, someBlock(input, shape), media.meta.words[from] ?? 0, 0);
}

function swapEntries(input: InputBytes, media: Media, shape: Shape): void {
  const first = someBlock(input, shape);
  const second = someBlock(input, shape);
  const low = media.meta.words[(PAGE_BYTES + first * 8) / 4] ?? 0;
  storeEntry(media, first, media.meta.words[(PAGE_BYTES + second * 8) / 4] ?? 0, 0);
  storeEntry(media, second, low, 0);
}

function clearEntry(input: InputBytes, media: Media, shape: Shape): void {
  storeEntry(media, someBlock(input, shape), 0, 0);
}

/** An entry behind the index's end, where there is room for one. */
function padding(input: InputBytes, media: Media, shape: Shape): void {
  const room = shape.indexPages * 512 - shape.maxBlocks;
  const page = 1 + shape.indexPages + (input.u8() % 8);
  if (room > 0) storeEntry(media, shape.maxBlocks + (input.u16() % room), page, 0);
}

function rawByte(input: InputBytes, media: Media, shape: Shape): void {
  const page = input.u8() % (1 + shape.indexPages);
  const at = page * PAGE_BYTES + (input.u16() % PAGE_BYTES);
  const value = input.u8();
  if (page >= media.meta.pages) return;
  media.meta.bytes[at] = value;
  media.meta.held[page] = 1;
}

function rawRun(input: InputBytes, media: Media, shape: Shape): void {
  const page = input.u8() % (1 + shape.indexPages);
  const at = page * PAGE_BYTES + (input.u8() % 128) * 4;
  const length = input.u8() % 64;
  if (page >= media.meta.pages) return;
  media.meta.held[page] = 1;
  for (let i = 0; i < length; i++) media.meta.bytes[at + i] = input.u8();
  if (page === 0 && input.u8() < 128) for (const copy of COPY_OFFSETS) fixChecksum(media, copy);
}

function dropPage(input: InputBytes, media: Media): void {
  const page = input.u8() % ARENA_PAGES;
  if (!media.canPunch) return;
  (media.split && input.u8() < 192 ? media.data : media.meta).drop(page);
}

function strayPage(input: InputBytes, media: Media, shape: Shape): void {
  holdPage(media, 1 + shape.indexPages, 1 + shape.indexPages + (input.u8() % ARENA_PAGES));
}

function poolLength(input: InputBytes, media: Media): void {
  const file = media.split ? media.data : media.meta;
  changeLength(input, media, file);
}

function metaLength(input: InputBytes, media: Media): void {
  changeLength(input, media, media.meta);
}

function changeLength(input: InputBytes, media: Media, file: Media["meta"]): void {
  const code = input.u8();
  const pages = code < 128 ? file.pages + (code % 17) - 8 : code % ARENA_PAGES;
  const before = file.pages;
  file.setLength(Math.max(0, Math.min(ARENA_PAGES, pages)));
  if (!media.canPunch) file.held.fill(1, before, Math.max(before, file.pages));
}

/** The files of one layout under a superblock of the other. */
function otherLayout(_input: InputBytes, media: Media): void {
  if (!media.canPunch) return;
  media.split = !media.split;
}

function swapFiles(_input: InputBytes, media: Media): void {
  if (!media.split) return;
  const { meta, data } = media;
  const pages = meta.pages;
  const usedBytes = Math.min(ARENA_PAGES, Math.max(pages, data.pages)) * PAGE_BYTES;
  const bytes = meta.bytes.slice(0, usedBytes);
  const held = meta.held.slice();
  meta.bytes.set(data.bytes.subarray(0, usedBytes));
  meta.held.set(data.held);
  meta.pages = Math.min(data.pages, ARENA_PAGES);
  data.bytes.set(bytes);
  data.held.set(held);
  data.pages = pages;
}

function copyOfCopy(input: InputBytes, media: Media): void {
  const [from, to] = input.u8() < 128 ? COPY_OFFSETS : [COPY_OFFSETS[1], COPY_OFFSETS[0]];
  media.meta.bytes.copyWithin(to, from, from + COPY_BYTES);
}

function wipeCopy(input: InputBytes, media: Media): void {
  for (const at of chosenCopies(input.u8())) media.meta.bytes.fill(0, at, at + COPY_BYTES);
}
