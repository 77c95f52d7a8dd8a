/** The file as it must be: content, map, size and attributes, in plain arrays. */
import { PAGE_BYTES } from "../../../src/base/units.js";
import { OWNER } from "../../protocol/support/server.js";

export class FileModel {
  /** Blocks without a page are zeros. */
  readonly content: Uint8Array;
  readonly isMapped: Uint8Array;
  mode = 0o600;
  uid = OWNER;
  gid = OWNER;

  constructor(
    public blocks: number,
    readonly maxBlocks: number,
  ) {
    this.content = new Uint8Array(maxBlocks * PAGE_BYTES);
    this.isMapped = new Uint8Array(maxBlocks);
  }

  get sizeBytes(): number {
    return this.blocks * PAGE_BYTES;
  }

  get mappedBlocks(): number {
    return this.isMapped.reduce((sum, mapped) => sum + mapped, 0);
  }

  block(block: number): Uint8Array {
    return this.content.subarray(block * PAGE_BYTES, (block + 1) * PAGE_BYTES);
  }

  /** Holes that a range touches; clipped at the end of the file. */
  holesIn(offset: number, length: number): number {
    let holes = 0;
    if (length === 0) return 0;
    const end = Math.ceil(Math.min(offset + length, this.sizeBytes) / PAGE_BYTES);
    for (let block = Math.floor(offset / PAGE_BYTES); block < end; block++) if (this.isMapped[block] === 0) holes++;
    return holes;
  }

  /** @returns bytes written */
  write(offset: number, bytes: Uint8Array): number {
    const count = Math.max(0, Math.min(bytes.length, this.sizeBytes - offset));
    this.content.set(bytes.subarray(0, count), Math.min(offset, this.sizeBytes));
    if (count > 0) this.reserve(offset, count);
    return count;
  }

  discard(offset: number, length: number): void {
    const end = Math.min(offset + length, this.sizeBytes);
    if (offset >= end) return;
    this.content.fill(0, offset, end);
    for (let block = Math.ceil(offset / PAGE_BYTES); block < Math.floor(end / PAGE_BYTES); block++) {
      this.isMapped[block] = 0;
    }
  }

  reserve(offset: number, length: number): void {
    const end = Math.ceil(Math.min(offset + length, this.sizeBytes) / PAGE_BYTES);
    for (let block = Math.floor(offset / PAGE_BYTES); block < end; block++) this.isMapped[block] = 1;
  }

  resize(blocks: number): void {
    if (blocks < this.blocks) this.discard(blocks * PAGE_BYTES, this.sizeBytes - blocks * PAGE_BYTES);
    this.blocks = blocks;
  }

  /** Offset of the first mapped byte, or of the first hole, at or after `offset`; the end of the file is one. */
  seek(offset: number, data: boolean): number {
    let block = Math.floor(offset / PAGE_BYTES);
    while (block < this.blocks && (this.isMapped[block] === 1) !== data) block++;
    return Math.max(offset, block * PAGE_BYTES);
  }
}
