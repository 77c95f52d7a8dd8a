/**
 * A list of `struct iovec` in native memory, built without making objects.
 * Adjacent ranges become one entry.
 */
import { assert } from "./assert.js";
import { writeU64 } from "./bytes.js";
import type { Address } from "./units.js";

const IOVEC_WORDS = 4;
/** UIO_MAXIOV of the kernel. */
export const MAX_IOVECS = 1024;

export class IovecList {
  count = 0;
  /** Sum of all lengths. */
  lengthBytes = 0;
  private lastEnd: Address = -1;
  private lastLength = 0;

  /** @param words memory of MAX_IOVECS entries of 16 bytes */
  constructor(private readonly words: Int32Array) {}

  clear(): void {
    this.count = 0;
    this.lengthBytes = 0;
    this.lastEnd = -1;
  }

  /** Appends `[address, address + lengthBytes)`. */
  add(address: Address, lengthBytes: number): void {
    this.lengthBytes += lengthBytes;
    if (address === this.lastEnd) {
      this.lastLength += lengthBytes;
      this.lastEnd += lengthBytes;
      writeU64(this.words, (this.count - 1) * IOVEC_WORDS + 2, this.lastLength);
      return;
    }
    // A typed array silently drops a write past its end.
    assert(this.count < MAX_IOVECS, "more iovecs than a writev takes");
    const at = this.count * IOVEC_WORDS;
    writeU64(this.words, at, address);
    writeU64(this.words, at + 2, lengthBytes);
    this.count++;
    this.lastLength = lengthBytes;
    this.lastEnd = address + lengthBytes;
  }
}
