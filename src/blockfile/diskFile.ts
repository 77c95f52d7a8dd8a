/** The one file, as the protocol sees it; `ServedFile` and `DirectFile` are its two ways. */
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
  /** When data last changed, ms since the epoch; 0 for never. */
  readonly changedMs: number;
  /** Each request is bracketed by these, the sending of its reply included. */
  enter(): void;
  leave(): void;
  read(offset: ByteOffset, length: number, into: IovecList): number;
  write(offset: ByteOffset, length: number, source: Address): number;
  discard(offset: ByteOffset, length: number): number;
  reserve(offset: ByteOffset, length: number): number;
  seekData(offset: ByteOffset): number;
  seekHole(offset: ByteOffset): number;
  flush(): number;
  /** Faults on lost memory that are noted; a request during which there are more of them must fail. */
  readonly faultsSeen: number;
  /** Memory of the pool was lost: nothing is changed any more. @param faults null when nobody knows where */
  noteLoss(faults: FaultCounts | null): void;
  resize(sizeBytes: number): number;
}
