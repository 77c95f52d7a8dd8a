/**
 * The sparse file in direct mode: the kernel reads and writes `data` by
 * itself, block b in the b-th data page, and sends us all other requests. Only
 * the backing knows what is mapped, and how much.
 */
import { asShortage, EFBIG, EINVAL, EIO, ENXIO, EPERM, EROFS } from "../base/errno.js";
import type { DataFile, FaultCounts, Memory } from "../base/ports.js";
import {
  type ByteOffset,
  bytesToPagesCeil,
  bytesToPagesFloor,
  type Errno,
  MIB,
  PAGE_BYTES,
  pagesToBytes,
} from "../base/units.js";
import { Account } from "../pool/account.js";
import { Damage } from "../pool/damage.js";
import { type Geometry, homePage } from "../pool/geometry.js";
import { MediaSync } from "../pool/mediaSync.js";
import { Mutex } from "../pool/mutex.js";
import { mayShrinkTo, shrunk } from "../pool/persistentState.js";
import { CONTROL } from "../pool/sharedState.js";
import { storeBlocks } from "../pool/superblockStore.js";
import type { DiskFile } from "./diskFile.js";
import type { Traffic } from "./traffic.js";

/**
 * Between slices other threads can take the mutex, and stores through a mapping proceed.
 * The kernel's writers wait for the whole request: both take the FUSE inode's lock.
 */
const SLICE_BYTES = 64 * MIB;

export interface DirectFileParts {
  readonly memory: Memory;
  readonly data: DataFile;
  readonly geometry: Geometry;
  readonly persistentWords: Int32Array;
  /** The words that CONTROL names, shared by all threads. */
  readonly control: Int32Array;
  readonly traffic: Traffic;
  readonly readOnly: boolean;
}

export class DirectFile implements DiskFile {
  readonly damage: Damage;
  private readonly account: Account;
  private readonly media: MediaSync;
  /** Guards the length of `data`, and the counting around a punch. */
  private readonly mutex: Mutex;

  constructor(private readonly parts: DirectFileParts) {
    const { memory, geometry, persistentWords, control } = parts;
    this.account = new Account(persistentWords, geometry.dataPages);
    this.media = new MediaSync(control, persistentWords, memory);
    this.mutex = new Mutex(control, CONTROL.mutex);
    this.damage = new Damage(persistentWords, control);
  }

  get sizeBytes(): number {
    return this.account.blocks * PAGE_BYTES;
  }

  get maxSizeBytes(): number {
    return this.parts.geometry.maxBlocks * PAGE_BYTES;
  }

  get mappedBytes(): number {
    return this.parts.data.heldPages() * PAGE_BYTES;
  }

  get capacityPages(): number {
    return this.parts.geometry.dataPages;
  }

  get freePages(): number {
    return Math.max(0, this.capacityPages - this.parts.data.heldPages());
  }

  /** The errno of a failed flush, or 0. The failure is permanent. */
  get failedErrno(): Errno {
    return this.media.failedErrno;
  }

  get changedMs(): number {
    return this.parts.data.changedMs();
  }

  enter(): void {}

  leave(): void {}

  /** Never called: every open of the file is answered with the backing (fuse_file_read_iter). */
  read(): number {
    return -EIO;
  }

  /** As `read`. */
  write(): number {
    return -EIO;
  }

  /** Makes the range read as zeros and releases its whole pages. Clipped at the end of the file. */
  discard(offset: ByteOffset, length: number): number {
    if (this.isFixed) return -EROFS;
    const end = Math.min(offset + length, this.sizeBytes);
    for (let at = offset; at < end; ) {
      const sliceEnd = Math.min(end, (Math.floor(at / SLICE_BYTES) + 1) * SLICE_BYTES);
      const errno = this.punch(at, sliceEnd);
      if (errno !== 0) return -errno;
      at = sliceEnd;
    }
    return 0;
  }

  /**
   * Allocates memory for the range, clipped at the end of the file. Every block has its own page, so only the
   * backing can be short; what it allocated before that stays.
   */
  reserve(offset: ByteOffset, length: number): number {
    if (this.isFixed) return -EROFS;
    const end = bytesToPagesCeil(Math.min(offset + length, this.sizeBytes));
    const first = bytesToPagesFloor(offset);
    for (let block = first; block < end; ) {
      const count = Math.min(end - block, SLICE_BYTES / PAGE_BYTES);
      const errno = this.parts.memory.populate(homePage(this.parts.geometry, block), count);
      if (errno !== 0) return -asShortage(errno);
      block += count;
    }
    return 0;
  }

  seekData(offset: ByteOffset): number {
    const end = homePage(this.parts.geometry, this.account.blocks);
    if (offset >= this.sizeBytes) return -ENXIO;
    const page = this.parts.memory.nextHeld(homePage(this.parts.geometry, bytesToPagesFloor(offset)), end);
    return page === end ? -ENXIO : Math.max(offset, pagesToBytes(page - this.parts.geometry.firstDataPage));
  }

  seekHole(offset: ByteOffset): number {
    const end = homePage(this.parts.geometry, this.account.blocks);
    if (offset >= this.sizeBytes) return -ENXIO;
    const page = this.parts.memory.nextUnheld(homePage(this.parts.geometry, bytesToPagesFloor(offset)), end);
    return Math.max(offset, pagesToBytes(page - this.parts.geometry.firstDataPage));
  }

  get faultsSeen(): number {
    return this.damage.faultsSeen;
  }

  noteLoss(faults: FaultCounts | null): void {
    this.damage.noteFaults(faults, this.parts.memory, this.parts.geometry.firstDataPage);
  }

  flush(): number {
    if (this.damage.isLoss) return -EIO;
    return this.parts.memory.durable ? 0 - this.media.sync() : 0;
  }

  /**
   * Shrinks only when a command has allowed it: a program that truncates the file and
   * writes it again would otherwise write past the new end, which the kernel lets through.
   */
  resize(sizeBytes: number): number {
    if (this.isFixed) return -EROFS;
    if (sizeBytes > this.maxSizeBytes) return -EFBIG;
    if (sizeBytes % PAGE_BYTES !== 0) return -EINVAL;
    // The new size could not be synced, and the superblock must stay as it is.
    if (this.failedErrno !== 0) return -EIO;
    if (sizeBytes < this.sizeBytes && !mayShrinkTo(this.parts.persistentWords, sizeBytes / PAGE_BYTES)) return -EPERM;
    this.mutex.lock();
    if (this.isCutOff()) {
      this.mutex.unlock();
      return -EIO;
    }
    const heldBefore = this.parts.data.heldPages();
    this.account.raisePeak(heldBefore);
    const errno = sizeBytes < this.sizeBytes ? this.shrink(sizeBytes) : this.grow(sizeBytes);
    const pages = heldBefore - this.parts.data.heldPages();
    this.mutex.unlock();
    if (pages > 0) this.parts.traffic.addDiscarded(pages * PAGE_BYTES);
    return 0 - errno;
  }

  /** Superblock first: `data` must never be shorter than the disk, also on the media, as that means loss. */
  private shrink(sizeBytes: number): Errno {
    const errno =
      storeBlocks(this.parts.memory, this.account, this.media, sizeBytes / PAGE_BYTES) ||
      this.parts.data.setLength(sizeBytes);
    if (errno === 0) shrunk(this.parts.persistentWords, sizeBytes / PAGE_BYTES);
    return errno;
  }

  private grow(sizeBytes: number): Errno {
    // What was written past the old end is truncated first, so that the new range is a hole.
    return (
      this.parts.data.setLength(this.sizeBytes) ||
      this.parts.data.setLength(sizeBytes) ||
      this.media.sync() ||
      storeBlocks(this.parts.memory, this.account, this.media, sizeBytes / PAGE_BYTES)
    );
  }

  /**
   * Truncates what was written past the end of the disk: the kernel lets such writes
   * through. `data` shorter than the disk was truncated by another process.
   */
  keepLength(): Errno {
    if (this.parts.data.lengthBytes() === this.sizeBytes) return 0;
    this.mutex.lock();
    const isLonger = !this.isCutOff() && this.parts.data.lengthBytes() > this.sizeBytes;
    const errno = isLonger && !this.parts.readOnly ? this.parts.data.setLength(this.sizeBytes) : 0;
    this.mutex.unlock();
    return errno;
  }

  /** Under the mutex: true, and recorded as damage, when `data` is shorter than the disk. */
  private isCutOff(): boolean {
    const lengthBytes = this.parts.data.lengthBytes();
    if (lengthBytes >= this.sizeBytes) return false;
    this.damage.noteTruncated(homePage(this.parts.geometry, bytesToPagesFloor(lengthBytes)));
    return true;
  }

  private get isFixed(): boolean {
    return this.parts.readOnly || this.damage.isFound;
  }

  /** Takes the mutex, as two concurrent punches would count each other's pages. */
  private punch(at: ByteOffset, end: ByteOffset): Errno {
    this.mutex.lock();
    const heldBefore = this.parts.data.heldPages();
    // Memory only grows between two punches, so the peak is exact.
    this.account.raisePeak(heldBefore);
    const errno = this.parts.data.punch(at, end - at);
    const pages = heldBefore - this.parts.data.heldPages();
    this.mutex.unlock();
    // A lower bound, as the kernel may write at the same time; then it may even be negative.
    if (pages > 0) this.parts.traffic.addDiscarded(pages * PAGE_BYTES);
    return errno;
  }
}
