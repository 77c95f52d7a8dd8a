/**
 * The sparse file on a pool: one thread's view. Offsets and lengths are bytes,
 * ranges `[offset, offset + length)`; verbs return a count or 0, or `-errno`.
 * Callers validate at the door (integers, no overflow) and bracket each request
 * by `enter` and `leave`; a reply that names pool pages is sent in between.
 *
 * No request sees another block's bytes: a page is fully defined before it is
 * published (fill, then publish), and is not reused while a request can use it.
 */
import { assert } from "../base/assert.js";
import { EFBIG, EINVAL, EIO, ENOSPC, EROFS } from "../base/errno.js";
import type { IovecList } from "../base/iovec.js";
import type { FaultCounts } from "../base/ports.js";
import {
  type Address,
  type BlockNo,
  type ByteOffset,
  bytesToPagesCeil,
  bytesToPagesFloor,
  type Errno,
  PAGE_BYTES,
} from "../base/units.js";
import { endOfIndexPage } from "../pool/indexTable.js";
import { mapHoles } from "../pool/mapHoles.js";
import type { Pool } from "../pool/pool.js";
import { rewriteBlocks } from "../pool/rewriteBlocks.js";
import { Run } from "../pool/run.js";
import { hasRoomFor, STEP_BLOCKS, seekData, seekHole } from "../pool/scans.js";
import type { DiskFile } from "./diskFile.js";
import type { Traffic } from "./traffic.js";

export interface BlockFileParts {
  readonly pool: Pool;
  readonly readOnly: boolean;
  /** A block changes as a whole, for readers and across a crash. */
  readonly atomicWrites?: boolean;
  /** Memory that reads as zeros and is never written, `zeroBytes` long. */
  readonly zeroAddress: Address;
  readonly zeroBytes: number;
  readonly traffic: Traffic;
}

export class ServedFile implements DiskFile {
  private readonly pool: Pool;
  private readonly readOnly: boolean;
  private readonly atomicWrites: boolean;
  private readonly zeroAddress: Address;
  private readonly zeroBytes: number;
  private readonly traffic: Traffic;
  /** The run that the last look-up found. */
  private readonly run = new Run();

  constructor(parts: BlockFileParts) {
    this.pool = parts.pool;
    this.readOnly = parts.readOnly;
    this.atomicWrites = parts.atomicWrites ?? false;
    this.zeroAddress = parts.zeroAddress;
    this.zeroBytes = parts.zeroBytes;
    this.traffic = parts.traffic;
  }

  get sizeBytes(): number {
    return this.pool.blocks * PAGE_BYTES;
  }

  get maxSizeBytes(): number {
    return this.pool.geometry.maxBlocks * PAGE_BYTES;
  }

  get mappedBytes(): number {
    return this.pool.account.used * PAGE_BYTES;
  }

  get capacityPages(): number {
    return this.pool.geometry.dataPages;
  }

  /** Pages that a write can get, including limbo, which a shortage drains first. */
  get freePages(): number {
    return this.pool.account.free + this.pool.account.limbo;
  }

  get changedMs(): number {
    return this.traffic.totals().changedMs;
  }

  enter(): void {
    this.pool.enter();
  }

  leave(): void {
    this.pool.leave();
  }

  /** Adds the file's bytes to `into`, holes as zeros; clipped at the end of the file. @returns bytes */
  read(offset: ByteOffset, length: number, into: IovecList): number {
    const end = Math.min(offset + length, this.sizeBytes);
    let at = offset;
    while (at < end) {
      if (this.pool.lookUp(bytesToPagesFloor(at), bytesToPagesCeil(end), this.run) !== 0) return -EIO;
      const inPage = at % PAGE_BYTES;
      const bytes = Math.min(this.run.count * PAGE_BYTES - inPage, end - at);
      if (this.run.page === 0) this.addZeros(bytes, into);
      else {
        this.pool.memory.faultIn(this.run.page, Math.ceil((inPage + bytes) / PAGE_BYTES));
        into.add(this.pool.memory.baseAddress + this.run.page * PAGE_BYTES + inPage, bytes);
      }
      at += bytes;
    }
    const read = Math.max(0, end - offset);
    this.traffic.addRead(read);
    return read;
  }

  /**
   * Writes `length` bytes from `source`. After a failure each block is old or new.
   * @returns bytes, fewer at the end of the file; -ENOSPC, -EFBIG, -EIO, -EROFS
   */
  write(offset: ByteOffset, length: number, source: Address): number {
    const refusal = this.refuseChange();
    if (refusal !== 0) return refusal;
    if (length > 0 && offset >= this.sizeBytes) return -EFBIG;
    let at = offset;
    for (;;) {
      // Computed in each step: the file may have shrunk while a step waited.
      const end = Math.min(offset + length, this.sizeBytes);
      if (at >= end) break;
      const block = bytesToPagesFloor(at);
      if (this.pool.lookUp(block, bytesToPagesCeil(end), this.run) !== 0) return -EIO;
      const done =
        this.run.page === 0
          ? this.writeToHoles(at, end, source + (at - offset))
          : this.overwrite(at, end, source + (at - offset));
      if (done < 0) return done;
      at += done;
    }
    if (at === offset && length > 0) return -EFBIG;
    this.traffic.addWritten(at - offset);
    return at - offset;
  }

  /**
   * Makes the range read as zeros and frees its whole pages; partial blocks at
   * the edges are zeroed. Clipped at the end of the file.
   */
  discard(offset: ByteOffset, length: number): number {
    const refusal = this.refuseChange();
    if (refusal !== 0) return refusal;
    const end = Math.min(offset + length, this.sizeBytes);
    if (offset >= end) return 0;
    const firstWhole = bytesToPagesCeil(offset);
    const endWhole = bytesToPagesFloor(end);
    const errno =
      firstWhole > endWhole
        ? this.zeroWithinBlock(offset, end)
        : this.zeroWithinBlock(offset, firstWhole * PAGE_BYTES) || this.zeroWithinBlock(endWhole * PAGE_BYTES, end);
    if (errno !== 0) return -errno;
    return this.discardBlocks(firstWhole, endWhole);
  }

  /** Maps all holes of the range to pages that read as zeros. Clipped at the end of the file. */
  reserve(offset: ByteOffset, length: number): number {
    const refusal = this.refuseChange();
    if (refusal !== 0) return refusal;
    const first = bytesToPagesFloor(offset);
    if (!hasRoomFor(this.pool, first, this.endBlock(offset + length))) return -ENOSPC;
    for (let block = first; ; ) {
      const end = this.endBlock(offset + length);
      block = this.pool.nextHole(block, Math.min(end, block + STEP_BLOCKS));
      if (block >= end) return 0;
      this.pool.yieldEpoch();
      if (this.pool.lookUp(block, Math.min(end, endOfIndexPage(block)), this.run) !== 0) return -EIO;
      if (this.run.page !== 0) continue;
      const done = mapHoles(this.pool, block, block + this.run.count, 0, 0, 0, false);
      if (done < 0) return done;
    }
  }

  /** Offset of the first mapped byte at or after `offset`, or -ENXIO. */
  seekData(offset: ByteOffset): number {
    return seekData(this.pool, offset);
  }

  /** Offset of the first hole at or after `offset`; the end of the file is one. -ENXIO past it. */
  seekHole(offset: ByteOffset): number {
    return seekHole(this.pool, offset);
  }

  /** Returns 0 when everything acknowledged before is on the media of a durable pool. */
  flush(): number {
    // Acknowledged data may be in lost memory.
    return this.pool.damage.isLoss ? -EIO : 0 - this.pool.flush();
  }

  get faultsSeen(): number {
    return this.pool.damage.faultsSeen;
  }

  noteLoss(faults: FaultCounts | null): void {
    const { memory, geometry, damage } = this.pool;
    damage.noteFaults(faults, memory, geometry.firstDataPage);
  }

  /** Changes the size, to a multiple of 4096 up to the maximum. Blocks past a smaller size are discarded. */
  resize(sizeBytes: number): number {
    const refusal = this.refuseChange();
    if (refusal !== 0) return refusal;
    if (sizeBytes === this.sizeBytes) return 0;
    if (sizeBytes > this.maxSizeBytes) return -EFBIG;
    if (sizeBytes % PAGE_BYTES !== 0) return -EINVAL;
    const blocks = sizeBytes / PAGE_BYTES;
    const oldBlocks = this.pool.blocks;
    // The blocks past the new end are discarded before the media has the smaller size.
    if (blocks < oldBlocks) {
      this.pool.shrinkTo(blocks);
      const errno = this.discardBlocks(blocks, oldBlocks) || this.flush();
      if (errno !== 0) {
        this.pool.shrinkTo(oldBlocks);
        return errno;
      }
    }
    return 0 - this.pool.resize(blocks);
  }

  private overwrite(at: ByteOffset, end: ByteOffset, source: Address): number {
    const inPage = at % PAGE_BYTES;
    const bytes = Math.min(this.run.count * PAGE_BYTES - inPage, end - at);
    if (this.atomicWrites) {
      const block = bytesToPagesFloor(at);
      return rewriteBlocks(this.pool, block, block + this.run.count, inPage, source, bytes);
    }
    const errno = this.pool.memory.write(this.run.page * PAGE_BYTES + inPage, source, bytes);
    if (errno === EIO) this.noteLoss(null);
    return errno === 0 ? bytes : -errno;
  }

  private writeToHoles(at: ByteOffset, end: ByteOffset, source: Address): number {
    const first = bytesToPagesFloor(at);
    const inPage = at % PAGE_BYTES;
    return mapHoles(this.pool, first, first + this.run.count, inPage, source, end - at, this.atomicWrites);
  }

  private discardBlocks(first: BlockNo, end: BlockNo): number {
    if (first >= end) return 0;
    const pages = this.pool.unmap(first, end);
    if (pages < 0) return pages;
    this.traffic.addDiscarded(pages * PAGE_BYTES);
    return this.pool.damage.isFound ? -EIO : 0;
  }

  /** Zeroes `[offset, end)`, which lies within one block, if it is mapped. */
  private zeroWithinBlock(offset: ByteOffset, end: ByteOffset): Errno {
    if (offset >= end) return 0;
    const block = bytesToPagesFloor(offset);
    assert(end <= (block + 1) * PAGE_BYTES, "zeroing crosses a block");
    for (;;) {
      if (this.pool.lookUp(block, block + 1, this.run) !== 0) return EIO;
      if (this.run.page === 0) return 0;
      const inPage = offset % PAGE_BYTES;
      if (!this.atomicWrites) return this.pool.memory.zero(this.run.page * PAGE_BYTES + inPage, end - offset);
      const done = rewriteBlocks(this.pool, block, block + 1, inPage, this.zeroAddress, end - offset);
      if (done !== 0) return done < 0 ? -done : 0;
    }
  }

  /** One past the last block of `[0, endBytes)`, at most the file's end. */
  private endBlock(endBytes: ByteOffset): BlockNo {
    return Math.ceil(Math.min(endBytes, this.sizeBytes) / PAGE_BYTES);
  }

  private addZeros(bytes: number, into: IovecList): void {
    for (let left = bytes; left > 0; ) {
      const part = Math.min(left, this.zeroBytes);
      into.add(this.zeroAddress, part);
      left -= part;
    }
  }

  private refuseChange(): number {
    if (this.readOnly || this.pool.damage.isFound) return -EROFS;
    return this.pool.writesStopped ? -EIO : 0;
  }
}
