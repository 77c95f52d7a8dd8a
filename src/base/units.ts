/**
 * Types that tell units apart. The brands exist only in the type checker.
 * Every conversion is a named function with its rounding in the name.
 * All values stay below 2^53: a pool has at most 2^32 pages of 4096 bytes.
 */
declare const unit: unique symbol;
type Unit<Name extends string> = number & { readonly [unit]?: Name };

/** Number of a 4096-byte block of the file. */
export type BlockNo = Unit<"BlockNo">;
/** Number of a 4096-byte page of the pool; 0 is the superblock. */
export type PageNo = Unit<"PageNo">;
/** Byte position in the file or in the pool. */
export type ByteOffset = Unit<"ByteOffset">;
/** A virtual address of this process, as a number, which koffi passes fastest. */
export type Address = Unit<"Address">;
/** A positive Linux errno, or 0 for success. */
export type Errno = Unit<"Errno">;

export const PAGE_BYTES = 4096;
export const SECTOR_BYTES = 512;
export const KIB = 1024;
export const MIB = 1024 * 1024;
export const GIB = 1024 * MIB;

export function bytesToPagesFloor(bytes: number): number {
  return Math.floor(bytes / PAGE_BYTES);
}

export function bytesToPagesCeil(bytes: number): number {
  return Math.ceil(bytes / PAGE_BYTES);
}

export function pagesToBytes(pages: number): number {
  return pages * PAGE_BYTES;
}
