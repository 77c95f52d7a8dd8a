/** An open pool on the media of a trial, driven as a serving thread does it. */
import { IovecList, MAX_IOVECS } from "../../../src/base/iovec.js";
import { PAGE_BYTES } from "../../../src/base/units.js";
import { ServedFile } from "../../../src/blockfile/servedFile.js";
import { TRAFFIC_DOUBLES, Traffic } from "../../../src/blockfile/traffic.js";
import { PERSISTENT_WORDS } from "../../../src/pool/persistentState.js";
import type { Pool } from "../../../src/pool/pool.js";
import { probePool } from "../../../src/pool/probe.js";
import { allocateShared } from "../../../src/pool/sharedState.js";
import type { Superblock } from "../../../src/pool/superblock.js";
import type { Media } from "./media.js";
import { MediaMemory, ZERO_ADDRESS, ZERO_BYTES } from "./mediaMemory.js";
import { Violation } from "./violation.js";

const CHUNK_BLOCKS = 64;
const iovecWords = new Int32Array(MAX_IOVECS * 4);
const iovecUnsigned = new Uint32Array(iovecWords.buffer);
const iovecs = new IovecList(iovecWords);
const traffic = new Traffic(new Float64Array(TRAFFIC_DOUBLES), 0, { nowMs: () => 1 });

/** What the blocks that are mapped hold: the first word of each, by block number. */
export type Contents = Map<number, number>;

export class OpenMedia {
  readonly memory: MediaMemory;
  readonly pool: Pool;
  readonly file: ServedFile;

  /** @throws MediaError, UserError as probe does */
  constructor(media: Media, superblock: Superblock, readOnly: boolean) {
    const { geometry } = superblock;
    this.memory = new MediaMemory(media, geometry.firstDataPage, geometry.pageCount, readOnly);
    const persistentWords = new Int32Array(PERSISTENT_WORDS);
    const shared = allocateShared(geometry, 1);
    const parts = { memory: this.memory, geometry, shared, persistentWords, thread: 0 };
    this.pool = probePool(parts, superblock, { readOnly }).pool;
    const { pool } = this;
    this.file = new ServedFile({ pool, readOnly, zeroAddress: ZERO_ADDRESS, zeroBytes: ZERO_BYTES, traffic });
  }

  /**
   * Reads all that is mapped, and a little of what is not.
   * @param isExclusive no page may belong to two blocks, and no block may be unreadable
   */
  readAll(isExclusive: boolean): Contents {
    const contents: Contents = new Map();
    const pages = new Set<number>();
    const { file } = this;
    file.enter();
    const end = file.sizeBytes / PAGE_BYTES;
    for (let block = 0; block < end; ) {
      const data = file.seekData(block * PAGE_BYTES);
      if (data < 0) break;
      const hole = file.seekHole(data);
      const first = data / PAGE_BYTES;
      if (!(first >= block && hole > data && hole <= file.sizeBytes)) throw new Violation("SEEK_DATA goes astray");
      for (let at = first; at < hole / PAGE_BYTES; at += CHUNK_BLOCKS) {
        this.readChunk(at, Math.min(CHUNK_BLOCKS, hole / PAGE_BYTES - at), isExclusive, contents, pages);
      }
      block = hole / PAGE_BYTES;
    }
    if (isExclusive && pages.size !== contents.size) throw new Violation("two blocks of a sound pool have one page");
    this.readChunk(0, CHUNK_BLOCKS, isExclusive, contents, null);
    this.readChunk(Math.max(0, end - 3), 8, isExclusive, contents, null);
    file.leave();
    return contents;
  }

  private readChunk(
    first: number,
    count: number,
    isExclusive: boolean,
    into: Contents,
    pages: Set<number> | null,
  ): void {
    if (this.readRange(first, count, into, pages)) return;
    if (isExclusive) throw new Violation(`a block of ${first} to ${first + count - 1} of a sound pool cannot be read`);
    for (let block = first; block < first + count; block++) this.readRange(block, 1, into, pages);
  }

  /** @returns false when it is EIO */
  private readRange(first: number, count: number, into: Contents, pages: Set<number> | null): boolean {
    iovecs.clear();
    const bytes = this.file.read(first * PAGE_BYTES, count * PAGE_BYTES, iovecs);
    if (bytes < 0) return false;
    if (iovecs.lengthBytes !== bytes) throw new Violation(`${bytes} bytes answered, ${iovecs.lengthBytes} in the list`);
    let block = first;
    for (let i = 0; i < iovecs.count; i++) {
      const address = (iovecUnsigned[4 * i] as number) + (iovecUnsigned[4 * i + 1] as number) * 2 ** 32;
      const blocks = (iovecUnsigned[4 * i + 2] as number) / PAGE_BYTES;
      this.takePages(this.memory.dataPageAt(address, blocks * PAGE_BYTES), blocks, block, into, pages);
      block += blocks;
    }
    return true;
  }

  private takePages(page: number, count: number, block: number, into: Contents, pages: Set<number> | null): void {
    for (let i = 0; i < count; i++) {
      if (page === -1) {
        if (into.has(block + i)) throw new Violation(`block ${block + i} is a hole and was none`);
        continue;
      }
      into.set(block + i, this.memory.stampOf(page + i));
      pages?.add(page + i);
    }
  }
}
