/**
 * Memory that knows what of it is on the media, and builds what a crash could
 * leave. Its rules:
 * - `file`: a store may reach the media at any time from now on and does so at
 *   `sync`, by sectors in the data, by 8 bytes in the metadata, which is stored to
 *   while the kernel writes it out. Making and punching a page are changes of the
 *   file system: a page begins a new life, of zeros, and a crash shows one of its
 *   lives since the last sync, each unit in any state that it had in that life.
 *   A cut of the file's length is ordered with the lives that it ends.
 * - `store`: words of the metadata reach the media at any time from now on, each
 *   by itself, and do so at `persist`. All other calls do so before they return;
 *   within a call any 8 bytes may be there and any others not.
 */
import { type Address, type ByteOffset, type Errno, PAGE_BYTES, type PageNo } from "../../../src/base/units.js";
import type { Random } from "../../support/random.js";
import { type MediaKind, PlainMemory } from "./plainMemory.js";

const SECTOR_BYTES = 512;
const WORD_BYTES = 8;

/** Thrown out of a call: the process is killed here. */
export class Killed extends Error {}

/** A page between being made and being punched; the first life is the one on the media. */
interface Life {
  readonly held: boolean;
  /** Number of the last change of the length when it began. */
  readonly lengthNo: number;
  /** It began because the file was cut off. */
  readonly byCut: boolean;
  /** By number of the unit in the page: what it was, oldest first, without what it was at first. */
  readonly units: Map<number, Buffer[]>;
}

/** Which of what is pending is on the media: chances for metadata and data, or one bit a change. */
export interface Choice {
  readonly metadata: number;
  readonly data: number;
  readonly mask: number | null;
}

export class CrashMemory extends PlainMemory {
  /** Called when a crash is worth looking at: between two calls, or within one that stores. */
  onMoment: (within: boolean) => void = () => {};
  /** Calls that are left before the process is killed. */
  killAfter = Number.POSITIVE_INFINITY;
  private readonly media: Buffer;
  private readonly mediaHeld: Uint8Array;
  /** All bytes as they were when they were last looked at. */
  private readonly seen: Buffer;
  private readonly lives = new Map<PageNo, Life[]>();
  /** Lengths of `data` since the last sync, oldest first. */
  private lengths: number[];
  /** Stored by the last call, or between it and the one before: places and what was there. */
  private recent: { readonly at: number; readonly old: Buffer }[] = [];

  constructor(pageCount: number, metadataPages: number, kind: MediaKind) {
    super(pageCount, metadataPages, kind);
    this.media = Buffer.alloc(pageCount * PAGE_BYTES);
    this.mediaHeld = new Uint8Array(pageCount);
    this.seen = Buffer.alloc(pageCount * PAGE_BYTES);
    this.lengths = [this.dataLengthBytes];
    this.settleMedia();
  }

  /** Takes everything as it is for being on the media. */
  settleMedia(): void {
    this.bytes.copy(this.media, 0, 0, this.media.length);
    this.bytes.copy(this.seen, 0, 0, this.seen.length);
    this.mediaHeld.set(this.held);
    this.lives.clear();
    this.lengths = [this.dataLengthBytes];
    this.recent = [];
  }

  /** Becomes what a crash left. */
  adopt(left: PlainMemory): void {
    left.bytes.copy(this.bytes, 0, 0, this.media.length);
    this.held.set(left.held);
    this.dataLengthBytes = left.dataLengthBytes;
    this.settleMedia();
  }

  /** Changes that are pending. */
  get pending(): number {
    let count = this.lengths.length - 1;
    for (const lives of this.lives.values()) count += lives.length - 1 + (lives.at(-1) as Life).units.size;
    return count;
  }

  /** The end of an operation, or a call of something else than memory. */
  moment(): void {
    this.recent = [];
    this.noteMetadata();
    this.onMoment(false);
    if (this.killAfter-- <= 0) throw new Killed("killed");
  }

  override populate(firstPage: PageNo, pageCount: number): Errno {
    return this.changing(firstPage, pageCount, () => super.populate(firstPage, pageCount));
  }

  override fill(firstPage: PageNo, pages: number, headBytes: number, source: Address, lengthBytes: number): Errno {
    return this.changing(firstPage, pages, () => super.fill(firstPage, pages, headBytes, source, lengthBytes));
  }

  override write(at: ByteOffset, source: Address, lengthBytes: number): Errno {
    return this.changingBytes(at, lengthBytes, () => super.write(at, source, lengthBytes));
  }

  override zero(at: ByteOffset, lengthBytes: number): Errno {
    return this.changingBytes(at, lengthBytes, () => super.zero(at, lengthBytes));
  }

  override release(firstPage: PageNo, pageCount: number): Errno {
    return this.changing(firstPage, pageCount, () => super.release(firstPage, pageCount));
  }

  override setDataLength(lengthBytes: number): void {
    this.moment();
    this.lengths.push(lengthBytes);
    const isCut = lengthBytes < this.dataLengthBytes;
    const before = this.held.slice();
    super.setDataLength(lengthBytes);
    if (isCut) this.noteLives(this.metadataPages, this.pageCount, before, true);
  }

  /** The kernel writes to `data` by itself, past its end too. @param at byte of the pool */
  kernelWrites(at: ByteOffset, lengthBytes: number): void {
    const end = at + lengthBytes - this.metadataPages * PAGE_BYTES;
    if (end > this.dataLengthBytes) {
      this.moment();
      this.dataLengthBytes = end;
      this.lengths.push(end);
    }
    this.write(at, this.sourceAddress, lengthBytes);
  }

  override punchData(at: ByteOffset, lengthBytes: number): void {
    this.changing(this.metadataPages, this.pageCount - this.metadataPages, () => {
      super.punchData(at, lengthBytes);
      return 0;
    });
  }

  override persist(at: ByteOffset, lengthBytes: number): void {
    if (this.kind === "file") return;
    this.moment();
    const end = at + lengthBytes;
    this.bytes.copy(this.media, at, at, end);
    for (const [page, lives] of this.lives) {
      const { units } = lives[0] as Life;
      for (const unit of units.keys()) {
        const unitAt = page * PAGE_BYTES + unit * WORD_BYTES;
        if (unitAt >= at && unitAt < end) units.delete(unit);
      }
      if (units.size === 0) this.lives.delete(page);
    }
  }

  override sync(): Errno {
    if (this.kind === "store") return 0;
    this.moment();
    for (const page of this.lives.keys()) {
      this.bytes.copy(this.media, page * PAGE_BYTES, page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
      this.mediaHeld[page] = this.held[page] as number;
    }
    this.lives.clear();
    this.lengths = [this.dataLengthBytes];
    return 0;
  }

  private changingBytes(at: ByteOffset, lengthBytes: number, act: () => Errno): Errno {
    const first = Math.floor(at / PAGE_BYTES);
    return this.changing(first, Math.ceil((at + lengthBytes) / PAGE_BYTES) - first, act);
  }

  private changing(firstPage: PageNo, pageCount: number, act: () => Errno): Errno {
    const end = firstPage + pageCount;
    if (!(firstPage >= 0 && pageCount >= 0 && end <= this.pageCount)) throw new Error(`pages ${firstPage} to ${end}`);
    this.moment();
    const before = this.held.slice();
    const errno = act();
    this.noteLives(firstPage, end, before, false);
    this.onMoment(true);
    if (this.kind === "store") this.putOnMedia(firstPage, end);
    return errno;
  }

  private noteLives(firstPage: PageNo, end: PageNo, before: Uint8Array, byCut: boolean): void {
    for (let page = firstPage; page < end; page++) {
      const held = this.held[page] === 1;
      if (held !== (before[page] === 1)) {
        this.livesOf(page).push({ held, lengthNo: this.lengths.length - 1, byCut, units: new Map() });
        if (!held || before[page] === 0) this.seen.fill(0, page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
      }
      this.notePage(page);
    }
  }

  private putOnMedia(firstPage: PageNo, end: PageNo): void {
    for (let page = Math.max(firstPage, this.metadataPages); page < end; page++) this.lives.delete(page);
    this.bytes.copy(this.media, firstPage * PAGE_BYTES, firstPage * PAGE_BYTES, end * PAGE_BYTES);
    for (let page = firstPage; page < Math.min(end, this.metadataPages); page++) this.lives.delete(page);
  }

  private livesOf(page: PageNo): Life[] {
    const known = this.lives.get(page);
    if (known !== undefined) return known;
    const lives = [{ held: this.mediaHeld[page] === 1, lengthNo: 0, byCut: false, units: new Map() }];
    this.lives.set(page, lives);
    return lives;
  }

  private noteMetadata(): void {
    for (let page = 0; page < this.metadataPages; page++) this.notePage(page);
  }

  /** Finds the units of the page that have changed since it was last looked at. */
  private notePage(page: PageNo): void {
    const at = page * PAGE_BYTES;
    const end = at + PAGE_BYTES;
    if (this.bytes.compare(this.seen, at, end, at, end) === 0) return;
    if (this.held[page] !== 1) {
      if (this.bytes.compare(zeroPage, 0, PAGE_BYTES, at, end) !== 0) throw new Error(`store to page ${page}, a hole`);
      return;
    }
    const unitBytes = this.unitBytes(page);
    const { units } = this.livesOf(page).at(-1) as Life;
    for (let unit = 0; unit * unitBytes < PAGE_BYTES; unit++) {
      const from = at + unit * unitBytes;
      if (this.bytes.compare(this.seen, from, from + unitBytes, from, from + unitBytes) === 0) continue;
      this.recent.push({ at: from, old: Buffer.from(this.seen.subarray(from, from + unitBytes)) });
      const versions = units.get(unit);
      const now = Buffer.from(this.bytes.subarray(from, from + unitBytes));
      if (versions === undefined) units.set(unit, [now]);
      else versions.push(now);
    }
    this.bytes.copy(this.seen, at, at, end);
  }

  private unitBytes(page: PageNo): number {
    return this.kind === "store" || page < this.metadataPages ? WORD_BYTES : SECTOR_BYTES;
  }

  /** What is left when the process dies: all that it stored, or of its last stores only some. */
  leaveKilled(left: PlainMemory, random: Random, whole: boolean): void {
    this.bytes.copy(left.bytes, 0, 0, this.media.length);
    left.held.set(this.held);
    left.dataLengthBytes = this.dataLengthBytes;
    if (whole) return;
    const chance = random.next();
    for (const { at, old } of this.recent) if (random.chance(chance)) old.copy(left.bytes, at);
  }

  /** What is left when power fails, as `choice` says. */
  leaveCut(left: PlainMemory, random: Random, choice: Choice): void {
    this.media.copy(left.bytes);
    left.held.set(this.mediaHeld);
    const bits = { next: choice.mask ?? 0, isMask: choice.mask !== null };
    const lengthNo = this.chosenLength(random, choice, bits);
    left.dataLengthBytes = this.lengths[lengthNo] as number;
    for (const [page, lives] of this.lives) {
      const chance = page < this.metadataPages ? choice.metadata : choice.data;
      const life = chooseLife(lives, lengthNo, random, chance, bits);
      const at = page * PAGE_BYTES;
      if (life !== lives[0]) left.bytes.fill(0, at, at + PAGE_BYTES);
      left.held[page] = life.held ? 1 : 0;
      if (!life.held) continue;
      const unitBytes = this.unitBytes(page);
      for (const [unit, versions] of life.units) {
        const version = chooseVersion(versions, random, chance, bits);
        version?.copy(left.bytes, at + unit * unitBytes);
      }
    }
    // What lies past the end of the file that is left is none of it.
    const lastPage = this.metadataPages + Math.ceil(left.dataLengthBytes / PAGE_BYTES);
    if (this.kind === "file")
      PlainMemory.prototype.release.call(left, lastPage, Math.max(0, this.pageCount - lastPage));
  }

  private chosenLength(random: Random, choice: Choice, bits: Bits): number {
    const last = this.lengths.length - 1;
    if (last === 0) return 0;
    if (bits.isMask) return takeBit(bits) ? last : 0;
    return random.chance(choice.data) ? last : random.below(last + 1);
  }
}

const zeroPage = Buffer.alloc(PAGE_BYTES);

interface Bits {
  next: number;
  readonly isMask: boolean;
}

function takeBit(bits: Bits): boolean {
  const bit = (bits.next & 1) === 1;
  bits.next >>>= 1;
  return bit;
}

function chooseLife(lives: readonly Life[], lengthNo: number, random: Random, chance: number, bits: Bits): Life {
  // A cut of the length that is on the media has ended the lives before it, one that is not has begun none.
  let first = 0;
  let last = lives.length - 1;
  for (let i = 1; i < lives.length; i++) {
    const { byCut, lengthNo: began } = lives[i] as Life;
    if (byCut && began <= lengthNo) first = i;
    if (byCut && began > lengthNo) {
      last = i - 1;
      break;
    }
  }
  if (first === last) return lives[first] as Life;
  if (bits.isMask) return lives[takeBit(bits) ? last : first] as Life;
  return lives[random.chance(chance) ? last : first + random.below(last - first + 1)] as Life;
}

/** @returns null for what the unit was at the beginning of its life */
function chooseVersion(versions: readonly Buffer[], random: Random, chance: number, bits: Bits): Buffer | null {
  const last = versions.length - 1;
  if (bits.isMask) return takeBit(bits) ? (versions[last] as Buffer) : null;
  if (chance === 0) return null;
  if (random.chance(chance)) return versions[last] as Buffer;
  return versions[random.below(last + 2) - 1] ?? null;
}
