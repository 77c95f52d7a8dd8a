/**
 * The undo file of a repair: a header that names the pool, then the old and new
 * content of what changes, then an end with the checksum of everything before. A
 * file without its end was not finished, so the pool was not changed. Little-endian.
 */
import { crc32c, readU64, writeU64 } from "../base/bytes.js";
import { struct } from "../base/struct.js";
import { type ByteOffset, PAGE_BYTES, type PageNo } from "../base/units.js";
import { COPY_BYTES, COPY_OFFSETS } from "./superblock.js";

/** "kmemundo" as two words. */
const MAGIC = [0x6d656d6b, 0x6f646e75] as const;
const VERSION = 1;

const header = struct("undo_header", 48, {
  magic: ["u32", 2],
  version: "u32",
  checksum: "u32",
  pageCount: "u64",
  metadataPages: "u64",
  uuid: ["u32", 4],
});
const record = struct("undo_record", 16, { type: "u32", lengthBytes: "u32", at: "u64" });
export const HEADER_BYTES = header.sizeBytes;
export const RECORD_BYTES = record.sizeBytes;

const TYPE_SAVED = 1;
const TYPE_MADE = 2;
const TYPE_END = 3;
const ENTRY_BYTES = 8;

export interface UndoHeader {
  readonly pageCount: number;
  readonly metadataPages: number;
  /** 16 bytes. */
  readonly uuid: Uint8Array;
}

export function encodeHeader(fields: UndoHeader): Uint8Array {
  const words = new Int32Array(HEADER_BYTES / 4);
  const bytes = new Uint8Array(words.buffer);
  words.set(MAGIC, header.word.magic);
  words[header.word.version] = VERSION;
  writeU64(words, header.word.pageCount, fields.pageCount);
  writeU64(words, header.word.metadataPages, fields.metadataPages);
  bytes.set(fields.uuid, header.offset.uuid);
  words[header.word.checksum] = crc32c(bytes.subarray(header.offset.pageCount));
  return bytes;
}

/** @returns the header, or why there is none */
export function decodeHeader(bytes: Uint8Array): UndoHeader | string {
  if (bytes.length < HEADER_BYTES) return "it is too short";
  const words = new Int32Array(bytes.slice(0, HEADER_BYTES).buffer);
  if (words[0] !== MAGIC[0] || words[1] !== MAGIC[1]) return "it is not an undo file of kmemfs";
  if (words[header.word.version] !== VERSION)
    return `its version is ${words[header.word.version] >>> 0}, not ${VERSION}`;
  if (words[header.word.checksum] >>> 0 !== crc32c(bytes.subarray(header.offset.pageCount, HEADER_BYTES))) {
    return "the checksum of its header is wrong";
  }
  return {
    pageCount: readU64(words, header.word.pageCount),
    metadataPages: readU64(words, header.word.metadataPages),
    uuid: bytes.slice(header.offset.uuid, header.offset.uuid + 16),
  };
}

export function encodeSaved(at: ByteOffset, oldBytes: Uint8Array, newBytes: Uint8Array): Uint8Array {
  const bytes = encodeRecord(TYPE_SAVED, oldBytes.length, at, 2 * oldBytes.length);
  bytes.set(oldBytes, RECORD_BYTES);
  bytes.set(newBytes, RECORD_BYTES + oldBytes.length);
  return bytes;
}

export function encodeMade(page: PageNo, count: number): Uint8Array {
  return encodeRecord(TYPE_MADE, count, page, 0);
}

/** @param checksum of everything before */
export function encodeEnd(checksum: number): Uint8Array {
  return encodeRecord(TYPE_END, checksum, 0, 0);
}

function encodeRecord(type: number, lengthBytes: number, at: number, more: number): Uint8Array {
  const words = new Int32Array((RECORD_BYTES + more) / 4);
  words[record.word.type] = type;
  words[record.word.lengthBytes] = lengthBytes;
  writeU64(words, record.word.at, at);
  return new Uint8Array(words.buffer);
}

/** A file read by position. `read` returns fewer bytes at its end. */
export interface UndoSource {
  read(at: ByteOffset, lengthBytes: number): Uint8Array;
}

export interface UndoVisitor {
  saved(at: ByteOffset, oldBytes: Uint8Array, newBytes: Uint8Array): void;
  made(page: PageNo, count: number): void;
}

/**
 * Reads all records, each checked against the pool that the header describes.
 * The checksum is checked only at the end, so the first pass must change nothing.
 * @returns why the file is not valid, or null
 */
export function readRecords(source: UndoSource, fields: UndoHeader, visitor: UndoVisitor): string | null {
  let at = HEADER_BYTES;
  let checksum = crc32c(source.read(0, HEADER_BYTES));
  for (;;) {
    const head = source.read(at, RECORD_BYTES);
    if (head.length < RECORD_BYTES)
      return "it is incomplete, as the repair stopped before it changed the pool: there is nothing to undo";
    const words = new Int32Array(head.slice().buffer);
    const length = words[record.word.lengthBytes] >>> 0;
    const place = readU64(words, record.word.at);
    const type = words[record.word.type];
    if (type === TYPE_END) return length === checksum && place === 0 ? null : "its checksum is wrong";
    checksum = crc32c(head, checksum);
    at += RECORD_BYTES;
    if (type === TYPE_MADE) {
      if (place < fields.metadataPages || length < 1 || place + length > fields.pageCount) return outOfRange(at);
      visitor.made(place, length);
    } else if (type === TYPE_SAVED) {
      if (!isPlace(place, length, fields)) return outOfRange(at);
      const bytes = source.read(at, 2 * length);
      if (bytes.length < 2 * length)
        return "it is incomplete, as the repair stopped before it changed the pool: there is nothing to undo";
      checksum = crc32c(bytes, checksum);
      visitor.saved(place, bytes.subarray(0, length), bytes.subarray(length));
      at += 2 * length;
    } else {
      return `it has a record of unknown type ${type >>> 0} at byte ${at - RECORD_BYTES}`;
    }
  }
}

function isPlace(at: ByteOffset, lengthBytes: number, { metadataPages }: UndoHeader): boolean {
  if (at < PAGE_BYTES) return lengthBytes === COPY_BYTES && COPY_OFFSETS.some((one) => one === at);
  return lengthBytes === ENTRY_BYTES && at % ENTRY_BYTES === 0 && at + ENTRY_BYTES <= metadataPages * PAGE_BYTES;
}

function outOfRange(at: ByteOffset): string {
  return `its record at byte ${at - RECORD_BYTES} is outside the pool`;
}
