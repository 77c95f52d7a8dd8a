/**
 * The sparse file in direct mode: the kernel reads and writes `data` by
 * itself, block b in the b-th data page, and asks us for all else. What is
 * mapped, and how much, only the backing knows.
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
 * Others may hold our mutex, or store through a mapping, in between. The kernel's own
 * writers wait for the whole request: both take the FUSE inode's lock.
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

  /** The errno of a flush that failed, or 0: what was lost then stays lost. */
  get failedErrno(): Errno {
    return this.media.failedErrno;
  }

  get changedMs(): number {
    return this.parts.data.changedMs();
  }

  enter(): void {}

  leave(): void {}

  /** The kernel never asks: every open of the file is answered with the backing (fuse_file_read_iter). */
  read(): number {
    return -EIO;
  }

  /** As `read`. */
  write(): number {
    return -EIO;
  }

  /** Makes the range read as zeros and gives its whole pages back. Clipped at the end of the file. */
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
   * Makes sure of memory for the range. Clipped at the end of the file. Every block has a page of its own, so only
   * the backing can be short; what it gave before that stays.
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
   * Smaller only as a command has asked for: whoever truncates a file means to write
   * what follows, and the kernel would let that through to where it is cut off.
   */
  resize(sizeBytes: number): number {
    if (this.isFixed) return -EROFS;
    if (sizeBytes > this.maxSizeBytes) return -EFBIG;
    if (sizeBytes % PAGE_BYTES !== 0) return -EINVAL;
    // It could not be put on the media any more, and the superblock is to stay as it was.
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

  /** `data` is never shorter than the disk, on the media too: a shorter one has lost something. */
  private shrink(sizeBytes: number): Errno {
    const errno =
      storeBlocks(this.parts.memory, this.account, this.media, sizeBytes / PAGE_BYTES) ||
      this.parts.data.setLength(sizeBytes);
    if (errno === 0) shrunk(this.parts.persistentWords, sizeBytes / PAGE_BYTES);
    return errno;
  }

  private grow(sizeBytes: number): Errno {
    // What was written past the old end goes first, so that there is a hole.
    return (
      this.parts.data.setLength(this.sizeBytes) ||
      this.parts.data.setLength(sizeBytes) ||
      this.media.sync() ||
      storeBlocks(this.parts.memory, this.account, this.media, sizeBytes / PAGE_BYTES)
    );
  }

  /**
   * Cuts off what was written past the end of the disk: the kernel lets such writes
   * through. Data that is shorter than the disk was cut off by somebody else.
   */
  keepLength(): Errno {
    if (this.parts.data.lengthBytes() === this.sizeBytes) return 0;
    this.mutex.lock();
    const isLonger = !this.isCutOff() && this.parts.data.lengthBytes() > this.sizeBytes;
    const errno = isLonger && !this.parts.readOnly ? this.parts.data.setLength(this.sizeBytes) : 0;
    this.mutex.unlock();
    return errno;
  }

  /** Under the mutex: true, and noted, when somebody has made `data` shorter than the disk. */
  private isCutOff(): boolean {
    const lengthBytes = this.parts.data.lengthBytes();
    if (lengthBytes >= this.sizeBytes) return false;
    this.damage.noteTruncated(homePage(this.parts.geometry, bytesToPagesFloor(lengthBytes)));
    return true;
  }

  private get isFixed(): boolean {
    return this.parts.readOnly || this.damage.isFound;
  }

  /** Under the mutex, or two punches would count each other's pages. */
  private punch(at: ByteOffset, end: ByteOffset): Errno {
    this.mutex.lock();
    const heldBefore = this.parts.data.heldPages();
    // Between two punches memory only grows: so the peak is exact.
    this.account.raisePeak(heldBefore);
    const errno = this.parts.data.punch(at, end - at);
    const pages = heldBefore - this.parts.data.heldPages();
    this.mutex.unlock();
    // Negative when others wrote more meanwhile: the figure is a lower bound then.
    if (pages > 0) this.parts.traffic.addDiscarded(pages * PAGE_BYTES);
    return errno;
  }
}
