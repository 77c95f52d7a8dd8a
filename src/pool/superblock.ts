/**
 * Page 0: two copies of 512 bytes, at bytes 0 and 2048, written alternately.
 * The valid copy with the higher generation is used, so that a write torn at any
 * byte leaves the older one. docs/media-format.md states the layout.
 */
import { crc32c, readU64, writeU64 } from "../base/bytes.js";
import { MediaError } from "../base/errors.js";
import { struct } from "../base/struct.js";
import { PAGE_BYTES } from "../base/units.js";
import { ENTRIES_PER_PAGE, type Geometry, layOut, MAX_PAGES } from "./geometry.js";

export const COPY_BYTES = 512;
export const COPY_OFFSETS = [0, 2048] as const;
export const VERSION = 1;
/** "kmemfs", a control-Z that stops a terminal, and a zero, as two little-endian words. */
export const MAGIC_LOW = 0x6d656d6b;
export const MAGIC_HIGH = 0x001a7366;

export const STATE_FORMATTING = 1;
export const STATE_CLEAN = 2;
export const STATE_DIRTY = 3;
/** In direct mode: the holes of `data` tell what is mapped, every block is at home, the index is out of date. */
export const STATE_DIRECT = 4;

/** Incompatible feature: `data` is a file of its own. */
export const INCOMPATIBLE_SPLIT = 1;
const KNOWN_INCOMPATIBLE = INCOMPATIBLE_SPLIT;
const KNOWN_READONLY_COMPATIBLE = 0;

export const LABEL_BYTES = 64;

/** Far below 2^53, so that counting up from any valid generation stays exact. */
export const MAX_GENERATION = 2 ** 52;

export const layout = struct("superblock", COPY_BYTES, {
  magic: ["u32", 2],
  version: "u32",
  pageBytes: "u32",
  pageCount: "u64",
  indexPages: "u64",
  indexEntries: "u64",
  blocks: "u64",
  generation: "u64",
  state: "u32",
  compatible: "u32",
  readonlyCompatible: "u32",
  incompatible: "u32",
  formattedMs: "u64",
  uuid: ["u32", 4],
  label: ["u32", LABEL_BYTES / 4],
  reserved: ["u32", 87],
  checksum: "u32",
});
const word = layout.word;

export interface Superblock {
  readonly geometry: Geometry;
  /** Size of the file now, in blocks. */
  readonly blocks: number;
  readonly generation: number;
  readonly state: number;
  readonly incompatible: number;
  readonly readonlyCompatible: number;
  readonly formattedMs: number;
  /** 16 bytes. */
  readonly uuid: Uint8Array;
  /** UTF-8, at most 64 bytes. */
  readonly label: Uint8Array;
}

/** One copy of `superblock` with its checksum, 512 bytes. */
export function encode(superblock: Superblock): Uint8Array {
  const words = new Int32Array(COPY_BYTES / 4);
  const bytes = new Uint8Array(words.buffer);
  words[word.magic] = MAGIC_LOW;
  words[word.magic + 1] = MAGIC_HIGH;
  words[word.version] = VERSION;
  words[word.pageBytes] = PAGE_BYTES;
  writeU64(words, word.pageCount, superblock.geometry.pageCount);
  writeU64(words, word.indexPages, superblock.geometry.indexPages);
  writeU64(words, word.indexEntries, superblock.geometry.maxBlocks);
  writeU64(words, word.blocks, superblock.blocks);
  writeU64(words, word.generation, superblock.generation);
  words[word.state] = superblock.state;
  words[word.readonlyCompatible] = superblock.readonlyCompatible;
  words[word.incompatible] = superblock.incompatible;
  writeU64(words, word.formattedMs, superblock.formattedMs);
  bytes.set(superblock.uuid.subarray(0, 16), layout.offset.uuid);
  bytes.set(superblock.label.subarray(0, LABEL_BYTES), layout.offset.label);
  words[word.checksum] = crc32c(bytes.subarray(0, layout.offset.checksum));
  return bytes;
}

/**
 * Reads the newest valid copy of page 0.
 * @param page 4096 bytes
 * @param pageCount pages of the pool by the size of its file or device
 * @throws MediaError naming the field that is wrong
 */
export function decode(page: Uint8Array, pageCount: number): Superblock {
  return decodeCopy(page, newestCopy(page), pageCount);
}

/**
 * The page count stored in a pool in direct use, or null for any other pool: its
 * `data` is as long as the disk then and does not tell the pool's size.
 */
export function directPageCount(page: Uint8Array): number | null {
  const { isWhole, fields } = rawCopy(page, newestCopy(page));
  return isWhole && fields.state === STATE_DIRECT ? fields.pageCount : null;
}

/**
 * The generation of the first write over what page 0 holds, chosen so that the
 * write goes to the copy that is not the newest; null when no copy is usable.
 */
export function generationAfter(page: Uint8Array): number | null {
  const at = newestCopy(page);
  const { isWhole, fields } = rawCopy(page, at);
  // Leaves room for the two writes of a format and those of all mounts after it.
  if (!isWhole || fields.generation > MAX_GENERATION / 2) return null;
  return fields.generation + (copyOffset(fields.generation + 1) === at ? 2 : 1);
}

/** Byte offset at which the copy of `generation` is written. */
export function copyOffset(generation: number): number {
  return COPY_OFFSETS[generation % COPY_OFFSETS.length];
}

/** Byte offset of the newest whole copy. It is used even if it is refused: an older one would be stale. */
function newestCopy(page: Uint8Array): number {
  const [first, second] = COPY_OFFSETS.map((at) => rawCopy(page, at));
  // When neither is whole, the error of one with our magic says more.
  const isSecond = first.isWhole
    ? second.isWhole && second.fields.generation > first.fields.generation
    : second.isWhole || !first.isOurs;
  return COPY_OFFSETS[isSecond ? 1 : 0];
}

/** True when the copy at byte `at` is neither whole nor empty: a torn write, or foreign data. */
export function isTorn(page: Uint8Array, at: number): boolean {
  const { isWhole, bytes } = rawCopy(page, at);
  return !isWhole && bytes.some((byte) => byte !== 0);
}

/** A copy as it is in page 0, valid or not. */
interface RawCopy {
  readonly bytes: Uint8Array;
  readonly fields: Readonly<Record<keyof typeof word, number>>;
  /** The correct checksum of `bytes`. */
  readonly checksum: number;
  /** It has our magic. */
  readonly isOurs: boolean;
  /** It has our magic and a correct checksum. */
  readonly isWhole: boolean;
}

export function rawCopy(page: Uint8Array, at: number): RawCopy {
  const bytes = new Uint8Array(COPY_BYTES);
  bytes.set(page.subarray(at, at + COPY_BYTES));
  const words = new Int32Array(bytes.buffer);
  const numberOf = (field: keyof typeof word): number =>
    layout.fields[field] === "u64" ? readU64(words, word[field]) : words[word[field]] >>> 0;
  const names = Object.keys(word) as (keyof typeof word)[];
  const fields = Object.fromEntries(names.map((name) => [name, numberOf(name)])) as RawCopy["fields"];
  const checksum = crc32c(bytes.subarray(0, layout.offset.checksum));
  const isOurs = words[word.magic] === MAGIC_LOW && words[word.magic + 1] === MAGIC_HIGH;
  return { bytes, fields, checksum, isOurs, isWhole: isOurs && fields.checksum === checksum };
}

/**
 * Reads and validates the copy at byte `at` of page 0.
 * @throws MediaError naming the first field that is wrong
 */
export function decodeCopy(page: Uint8Array, at: number, pageCount: number): Superblock {
  const [problem] = copyProblems(page, at, pageCount);
  if (problem !== undefined) throw problem;
  const { fields, bytes } = rawCopy(page, at);
  return {
    geometry: layOut(pageCount, fields.indexPages, fields.indexEntries),
    blocks: fields.blocks,
    generation: fields.generation,
    state: fields.state,
    incompatible: fields.incompatible,
    readonlyCompatible: fields.readonlyCompatible,
    formattedMs: fields.formattedMs,
    uuid: bytes.slice(layout.offset.uuid, layout.offset.uuid + 16),
    label: bytes.slice(layout.offset.label, layout.offset.label + LABEL_BYTES),
  };
}

/**
 * Every wrong field of the copy at byte `at` of page 0, the most telling first.
 * For a copy that is all zeros this is only the magic.
 */
export function copyProblems(page: Uint8Array, at: number, pageCount: number): MediaError[] {
  const { bytes, fields, checksum, isOurs } = rawCopy(page, at);
  const problems: MediaError[] = [];
  const expect = (ok: boolean, field: keyof typeof word, expected: string, found: number | string): boolean => {
    if (!ok) problems.push(new MediaError(field, expected, String(found), at + layout.offset[field]));
    return ok;
  };
  expect(isOurs, "magic", "kmemfs", hex(bytes.subarray(0, 8)));
  if (bytes.every((value) => value === 0)) return problems;
  const { version, pageBytes, incompatible, indexPages, indexEntries: maxBlocks, blocks, state, generation } = fields;
  expect(fields.checksum === checksum, "checksum", hexNumber(checksum), hexNumber(fields.checksum));
  expect(version === VERSION, "version", String(VERSION), version);
  expect(pageBytes === PAGE_BYTES, "pageBytes", String(PAGE_BYTES), pageBytes);
  const unknown = incompatible & ~KNOWN_INCOMPATIBLE;
  expect(unknown === 0, "incompatible", "features that this version knows", hexNumber(unknown >>> 0));
  // Each bound is below 2^32, so that sums of them cannot wrap or round.
  expect(pageCount <= MAX_PAGES, "pageCount", `at most ${MAX_PAGES}`, pageCount);
  expect(fields.pageCount === pageCount, "pageCount", `${pageCount} by the pool's size`, fields.pageCount);
  const room = Math.max(1, pageCount - 2);
  const hasRoom = expect(
    indexPages >= 1 && indexPages <= pageCount - 2,
    "indexPages",
    `1 to ${pageCount - 2}`,
    indexPages,
  );
  // A wrong count of index pages does not limit the entries.
  const entriesMost = Math.min((hasRoom ? indexPages : room) * ENTRIES_PER_PAGE, MAX_PAGES);
  const hasEntries = maxBlocks >= 1 && maxBlocks <= entriesMost;
  expect(hasEntries, "indexEntries", `1 to ${entriesMost}`, maxBlocks);
  const blocksMost = hasEntries ? maxBlocks : entriesMost;
  expect(blocks <= blocksMost, "blocks", `0 to ${blocksMost}`, blocks);
  expect(state >= STATE_FORMATTING && state <= STATE_DIRECT, "state", "1 to 4", state);
  const isSplit = (incompatible & INCOMPATIBLE_SPLIT) !== 0;
  expect(state !== STATE_DIRECT || isSplit, "state", "1 to 3 in a single-file pool", state);
  // In direct mode block b is data page b, so that blocks past the last page would have none.
  const isThin = maxBlocks > pageCount - 1 - indexPages;
  expect(state !== STATE_DIRECT || !isThin, "state", "1 to 3 in a pool with more blocks than data pages", state);
  // Counted up at each write: a rounded value would not change, and the write would be lost.
  expect(generation >= 1 && generation <= MAX_GENERATION, "generation", `1 to ${MAX_GENERATION}`, generation);
  const { formattedMs } = fields;
  expect(Number.isSafeInteger(formattedMs), "formattedMs", `at most ${Number.MAX_SAFE_INTEGER}`, formattedMs);
  return problems;
}

/** The layout of the media by its files, independent of the superblock. */
export interface MediaLayout {
  /** `meta` and `data` are separate files. */
  readonly split: boolean;
  /** Pages of `meta`, or of the whole file of a single pool. */
  readonly metadataPages: number;
}

/** How superblock and files disagree; null when they agree. The data of a split pool begins where `meta` ends. */
export function layoutProblem(superblock: Superblock, media: MediaLayout): MediaError | null {
  const split = (superblock.incompatible & INCOMPATIBLE_SPLIT) !== 0;
  if (split !== media.split) {
    const name = (isSplit: boolean) => (isSplit ? "split" : "single");
    return new MediaError("incompatible", name(media.split), name(split), layout.offset.incompatible);
  }
  const { firstDataPage } = superblock.geometry;
  if (!split || firstDataPage === media.metadataPages) return null;
  const found = String(superblock.geometry.indexPages);
  return new MediaError(
    "indexPages",
    `${media.metadataPages - 1} by the size of meta`,
    found,
    layout.offset.indexPages,
  );
}

/** True when this version may write to the pool. */
export function isWritable(superblock: Superblock): boolean {
  return (superblock.readonlyCompatible & ~KNOWN_READONLY_COMPATIBLE) === 0;
}

/** True when either copy has our magic: the page is, or was, a pool's. */
export function hasMagic(page: Uint8Array): boolean {
  return COPY_OFFSETS.some((at) => rawCopy(page, at).isOurs);
}

/** The UUID in its usual text form. */
export function formatUuid(uuid: Uint8Array): string {
  const text = hex(uuid);
  return [text.slice(0, 8), text.slice(8, 12), text.slice(12, 16), text.slice(16, 20), text.slice(20)].join("-");
}

/** The label without its padding. */
export function labelBytes(label: Uint8Array): Uint8Array {
  const end = label.indexOf(0);
  return end < 0 ? label : label.subarray(0, end);
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function hexNumber(value: number): string {
  return `0x${value.toString(16)}`;
}
