/** The sparse file as a map from block to bytes: obviously right, and slow. What the real one is compared with. */
import { PAGE_BYTES } from "../../src/base/units.js";

export class NaiveFile {
  /** Mapped blocks; a block that is not here is a hole. */
  readonly blocks = new Map<number, Uint8Array>();

  constructor(
    public sizeBlocks: number,
    readonly maxBlocks: number,
  ) {}

  get sizeBytes(): number {
    return this.sizeBlocks * PAGE_BYTES;
  }

  copy(): NaiveFile {
    const twin = new NaiveFile(this.sizeBlocks, this.maxBlocks);
    for (const [block, bytes] of this.blocks) twin.blocks.set(block, bytes.slice());
    return twin;
  }

  read(offset: number, length: number): Uint8Array {
    const end = Math.min(offset + length, this.sizeBytes);
    const bytes = new Uint8Array(Math.max(0, end - offset));
    for (let at = offset; at < end; ) {
      const block = Math.floor(at / PAGE_BYTES);
      const part = Math.min((block + 1) * PAGE_BYTES, end) - at;
      const from = at % PAGE_BYTES;
      const data = this.blocks.get(block);
      if (data !== undefined) bytes.set(data.subarray(from, from + part), at - offset);
      at += part;
    }
    return bytes;
  }

  /** Holes that a write or reservation of the range would have to map. */
  missing(offset: number, length: number): number {
    const end = Math.ceil(Math.min(offset + length, this.sizeBytes) / PAGE_BYTES);
    let count = 0;
    for (let block = Math.floor(offset / PAGE_BYTES); block < end; block++) if (!this.blocks.has(block)) count++;
    return count;
  }

  write(offset: number, bytes: Uint8Array): void {
    const end = Math.min(offset + bytes.length, this.sizeBytes);
    for (let at = offset; at < end; ) {
      const part = Math.min((Math.floor(at / PAGE_BYTES) + 1) * PAGE_BYTES, end) - at;
      this.pageAt(at).set(bytes.subarray(at - offset, at - offset + part), at % PAGE_BYTES);
      at += part;
    }
  }

  discard(offset: number, length: number): void {
    const end = Math.min(offset + length, this.sizeBytes);
    for (let at = offset; at < end; ) {
      const block = Math.floor(at / PAGE_BYTES);
      const part = Math.min((block + 1) * PAGE_BYTES, end) - at;
      if (part === PAGE_BYTES) this.blocks.delete(block);
      else this.blocks.get(block)?.fill(0, at % PAGE_BYTES, (at % PAGE_BYTES) + part);
      at += part;
    }
  }

  reserve(offset: number, length: number): void {
    const end = Math.min(offset + length, this.sizeBytes);
    for (let at = offset; at < end; at = (Math.floor(at / PAGE_BYTES) + 1) * PAGE_BYTES) this.pageAt(at);
  }

  resize(sizeBlocks: number): void {
    for (const block of [...this.blocks.keys()]) if (block >= sizeBlocks) this.blocks.delete(block);
    this.sizeBlocks = sizeBlocks;
  }

  /** The first offset at or after `offset` that is data, or a hole; -1 when there is none. */
  seek(offset: number, wantsData: boolean): number {
    if (offset >= this.sizeBytes) return -1;
    for (let block = Math.floor(offset / PAGE_BYTES); block < this.sizeBlocks; block++) {
      if (this.blocks.has(block) === wantsData) return Math.max(offset, block * PAGE_BYTES);
    }
    return wantsData ? -1 : this.sizeBytes;
  }

  private pageAt(at: number): Uint8Array {
    const block = Math.floor(at / PAGE_BYTES);
    const bytes = this.blocks.get(block) ?? new Uint8Array(PAGE_BYTES);
    this.blocks.set(block, bytes);
    return bytes;
  }
}
