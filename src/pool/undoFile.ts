/**
 * The side file of a repair, as bytes: the metadata pages that were to change,
 * each with its number, then a trailer that names the pool and has the checksum
 * of all. A file without its trailer was cut off before the pool was changed.
 * Little-endian.
 */
import { crc32c, readU64, writeU64 } from "../base/bytes.js";
import { UserError } from "../base/errors.js";
import { struct } from "../base/struct.js";
import { type ByteOffset, PAGE_BYTES, type PageNo } from "../base/units.js";

/** "kmemundo" as two words. */
const MAGIC = [0x6d656d6b, 0x6f646e75] as const;
const VERSION = 2;

const trailer = struct("undo_trailer", 56, {
  magic: ["u32", 2],
  version: "u32",
  checksum: "u32",
  pageCount: "u64",
  metadataPages: "u64",
  generation: "u64",
  uuid: ["u32", 4],
});
const IMAGE_BYTES = 8 + PAGE_BYTES;

export interface UndoPool {
  readonly pageCount: number;
  readonly metadataPages: number;
  /** 16 bytes. */
  readonly uuid: Uint8Array;
}

/** What `repairPool` takes as its log, over anything that takes bytes. */
export class UndoImages {
  private checksum = 0;

  constructor(
    private readonly pool: UndoPool,
    private readonly write: (bytes: Uint8Array) => void,
  ) {}

  save(page: PageNo, bytes: Uint8Array): void {
    const image = new Uint8Array(IMAGE_BYTES);
    writeU64(new Int32Array(image.buffer, 0, 2), 0, page);
    image.set(bytes, 8);
    this.checksum = crc32c(image, this.checksum);
    this.write(image);
  }

  seal(generation: number): void {
    const words = new Int32Array(trailer.sizeBytes / 4);
    const bytes = new Uint8Array(words.buffer);
    words.set(MAGIC, trailer.word.magic);
    words[trailer.word.version] = VERSION;
    writeU64(words, trailer.word.pageCount, this.pool.pageCount);
    writeU64(words, trailer.word.metadataPages, this.pool.metadataPages);
    writeU64(words, trailer.word.generation, generation);
    bytes.set(this.pool.uuid, trailer.offset.uuid);
    words[trailer.word.checksum] = crc32c(bytes.subarray(trailer.offset.pageCount), this.checksum);
    this.write(bytes);
  }
}

/** A file that is read by position. */
export interface UndoSource {
  readonly lengthBytes: number;
  read(at: ByteOffset, lengthBytes: number): Uint8Array;
}

export interface UndoFile extends UndoPool {
  /** That the repaired pool had. */
  readonly generation: number;
  /** The pages as they were, in the order in which they were saved. */
  images(): Iterable<readonly [page: PageNo, bytes: Uint8Array]>;
}

/** Reads the whole file once. @throws UserError when it is not what a repair wrote */
export function readUndoFile(source: UndoSource): UndoFile {
  const imagesEnd = source.lengthBytes - trailer.sizeBytes;
  requireValid(imagesEnd >= 0 && imagesEnd % IMAGE_BYTES === 0, "it is not a complete undo file of kmemfs");
  const bytes = source.read(imagesEnd, trailer.sizeBytes).slice();
  const words = new Int32Array(bytes.buffer);
  const isOurs = words[0] === MAGIC[0] && words[1] === MAGIC[1];
  requireValid(isOurs, "it is not a complete undo file of kmemfs");
  const version = words[trailer.word.version] >>> 0;
  requireValid(version === VERSION, `its version is ${version}, not ${VERSION}`);
  const metadataPages = readU64(words, trailer.word.metadataPages);
  const images = function* (): ReturnType<UndoFile["images"]> {
    for (let at = 0; at < imagesEnd; at += IMAGE_BYTES) {
      const image = source.read(at, IMAGE_BYTES);
      yield [readU64(new Int32Array(image.slice(0, 8).buffer), 0), image.subarray(8)] as const;
    }
  };
  let checksum = 0;
  for (let at = 0; at < imagesEnd; at += IMAGE_BYTES) checksum = crc32c(source.read(at, IMAGE_BYTES), checksum);
  checksum = crc32c(bytes.subarray(trailer.offset.pageCount), checksum);
  requireValid(words[trailer.word.checksum] >>> 0 === checksum, "its checksum is wrong");
  for (const [page] of images()) requireValid(page < metadataPages, `its page ${page} is not one of the metadata`);
  return {
    pageCount: readU64(words, trailer.word.pageCount),
    metadataPages,
    generation: readU64(words, trailer.word.generation),
    uuid: bytes.slice(trailer.offset.uuid, trailer.offset.uuid + 16),
    images,
  };
}

/** @throws UserError */
function requireValid(condition: boolean, reason: string): void {
  if (!condition) throw new UserError("undo file", reason, { code: "EINVAL" });
}
