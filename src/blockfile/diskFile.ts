/** The file as the protocol sees it; `ServedFile` and `DirectFile` implement it. */
import type { IovecList } from "../base/iovec.js";
import type { FaultCounts } from "../base/ports.js";
import type { Address, ByteOffset } from "../base/units.js";

/** Offsets and lengths are bytes, validated by the caller; verbs return a count or 0, or `-errno`. */
export interface DiskFile {
  readonly sizeBytes: number;
  readonly maxSizeBytes: number;
  /** Bytes of blocks that have a page. */
  readonly mappedBytes: number;
  /** Data pages of the pool. */
  readonly capacityPages: number;
  readonly freePages: number;
  /** Time of the last change of data, ms since the epoch; 0 for none. */
  readonly changedMs: number;
  /** Each request is bracketed by these, including the sending of its reply. */
  enter(): void;
  leave(): void;
  read(offset: ByteOffset, length: number, into: IovecList): number;
  write(offset: ByteOffset, length: number, source: Address): number;
  discard(offset: ByteOffset, length: number): number;
  reserve(offset: ByteOffset, length: number): number;
  seekData(offset: ByteOffset): number;
  seekHole(offset: ByteOffset): number;
  flush(): number;
  /** The number of faults on lost memory that are recorded; a request during which there are more must fail. */
  readonly faultsSeen: number;
  /** Records lost memory, after which nothing changes. @param faults null for a loss at an unknown place */
  noteLoss(faults: FaultCounts | null): void;
  resize(sizeBytes: number): number;
}
