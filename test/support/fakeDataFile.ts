/**
 * `data` of a split pool on fake memory, and what the kernel does to it in the
 * direct way: reads and writes that nobody else sees, past the disk's end too.
 */
import { ENOSPC } from "../../src/base/errno.js";
import type { DataFile } from "../../src/base/ports.js";
import { type ByteOffset, type Errno, PAGE_BYTES } from "../../src/base/units.js";
import type { FakeMemory } from "./fakeMemory.js";

/** Sees a call before it happens. @returns the errno to answer instead of doing it, or 0 */
type DataWatch = (verb: "setLength" | "punch") => Errno;

export class FakeDataFile implements DataFile {
  /** Pages written past the pool's own. */
  private readonly beyond = new Map<number, Uint8Array>();
  watch: DataWatch = () => 0;

  constructor(
    private readonly fake: FakeMemory,
    private length: number,
  ) {}

  heldPages(): number {
    let held = this.beyond.size;
    for (let page = this.fake.metadataPages; page < this.fake.pageCount; page++) if (this.fake.holds(page)) held++;
    return held;
  }

  changedMs(): number {
    return 0;
  }

  lengthBytes(): number {
    return this.length;
  }

  setLength(lengthBytes: number): Errno {
    const errno = this.watch("setLength");
    if (errno !== 0) return errno;
    if (lengthBytes < this.length) this.clear(lengthBytes, this.length - lengthBytes);
    this.length = lengthBytes;
    return 0;
  }

  punch(at: ByteOffset, lengthBytes: number): Errno {
    const errno = this.watch("punch");
    if (errno === 0) this.clear(at, lengthBytes);
    return errno;
  }

  /** A WRITE that the kernel does by itself. @returns bytes written, or -ENOSPC for none */
  kernelWrites(offset: ByteOffset, bytes: Uint8Array): number {
    let done = 0;
    while (done < bytes.length) {
      const at = offset + done;
      const part = Math.min(PAGE_BYTES - (at % PAGE_BYTES), bytes.length - done);
      const page = this.made(Math.floor(at / PAGE_BYTES));
      if (page === null) break;
      page.set(bytes.subarray(done, done + part), at % PAGE_BYTES);
      done += part;
      this.length = Math.max(this.length, at + part);
    }
    return done === 0 && bytes.length > 0 ? -ENOSPC : done;
  }

  /** A READ that the kernel does by itself: as far as the file goes, zeros for holes. */
  kernelReads(offset: ByteOffset, lengthBytes: number): Uint8Array {
    const end = Math.min(offset + lengthBytes, this.length);
    const bytes = new Uint8Array(Math.max(0, end - offset));
    for (let at = offset; at < end; at = (Math.floor(at / PAGE_BYTES) + 1) * PAGE_BYTES) {
      const pageEnd = Math.min((Math.floor(at / PAGE_BYTES) + 1) * PAGE_BYTES, end);
      const page = this.found(Math.floor(at / PAGE_BYTES));
      if (page !== null) bytes.set(page.subarray(at % PAGE_BYTES, (at % PAGE_BYTES) + pageEnd - at), at - offset);
    }
    return bytes;
  }

  /** Whole pages go, parts at the edges become zeros. */
  private clear(offset: ByteOffset, lengthBytes: number): void {
    const end = offset + lengthBytes;
    for (let at = offset; at < end; at = (Math.floor(at / PAGE_BYTES) + 1) * PAGE_BYTES) {
      const page = Math.floor(at / PAGE_BYTES);
      const partEnd = Math.min((page + 1) * PAGE_BYTES, end);
      const isLast = partEnd >= this.length;
      if (at % PAGE_BYTES === 0 && (partEnd - at === PAGE_BYTES || isLast)) this.drop(page);
      else this.found(page)?.fill(0, at % PAGE_BYTES, (at % PAGE_BYTES) + partEnd - at);
    }
  }

  private drop(page: number): void {
    const pageNo = this.fake.metadataPages + page;
    if (pageNo < this.fake.pageCount) this.fake.release(pageNo, 1);
    else this.beyond.delete(page);
  }

  private found(page: number): Uint8Array | null {
    const pageNo = this.fake.metadataPages + page;
    if (pageNo >= this.fake.pageCount) return this.beyond.get(page) ?? null;
    return this.fake.holds(pageNo) ? this.fake.page(pageNo) : null;
  }

  private made(page: number): Uint8Array | null {
    const pageNo = this.fake.metadataPages + page;
    if (pageNo < this.fake.pageCount) {
      return this.fake.populate(pageNo, 1) === 0 ? this.fake.page(pageNo) : null;
    }
    const bytes = this.beyond.get(page) ?? new Uint8Array(PAGE_BYTES);
    this.beyond.set(page, bytes);
    return bytes;
  }
}
