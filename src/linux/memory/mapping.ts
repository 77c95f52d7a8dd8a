/**
 * The pool as one address range of this process: metadata first, then data, for
 * both layouts. Plain JSON, by which every thread of the process attaches to it.
 */
import { BitSet } from "../../base/bitset.js";
import { errnoName } from "../../base/errno.js";
import { UserError } from "../../base/errors.js";
import { FALLOC_FL_KEEP_SIZE } from "../../base/fileFlags.js";
import { type Address, pagesToBytes } from "../../base/units.js";
import type { Backing } from "../backing/backing.js";
import {
  MADV_DONTDUMP,
  MADV_DONTFORK,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  MAP_SHARED_VALIDATE,
  MAP_SYNC,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
} from "../syscall/constants.js";
import { fallocate } from "../syscall/libcData.js";
import { madvise, mmap, munmap } from "../syscall/libcMemory.js";

export interface MemoryMapping {
  readonly backing: Backing;
  readonly baseAddress: Address;
  readonly metadataPages: number;
  /** Pages in the range; for a split pool `metadataPages` and the pages of `data`. */
  readonly pageCount: number;
  readonly lengthBytes: number;
  /** Of a bit for each page, in the page tables or not: memory of which nothing is there until it is used. */
  readonly faultedAddress: Address;
}

/**
 * Maps the pool. Nothing is populated, except on hugetlbfs the metadata: its
 * holes cannot be told apart, and touching one with no huge page left is SIGBUS.
 * @param metadataPages superblock and index pages; for a split pool at most the pages of `meta`
 * @throws UserError ENOMEM, ENODEV, EINVAL, ENOSPC
 */
export function mapBacking(backing: Backing, metadataPages: number): MemoryMapping {
  const metadataBytes = pagesToBytes(metadataPages);
  if (metadataBytes > backing.metaBytes) throw mapError(backing, "is shorter than its metadata", "EINVAL");
  const baseAddress = backing.layout === "single" ? mapSingle(backing) : mapSplit(backing, metadataBytes);
  const lengthBytes = backing.layout === "single" ? backing.metaBytes : metadataBytes + backing.dataBytes;
  // A fork would copy page tables, and a dump the whole pool.
  madvise(baseAddress, lengthBytes, MADV_DONTFORK);
  madvise(baseAddress, lengthBytes, MADV_DONTDUMP);
  const pageCount = lengthBytes / 4096;
  const faultedAddress = mapBits(pageCount);
  if (faultedAddress < 0) {
    munmap(baseAddress, lengthBytes);
    throw mapError(backing, "not enough memory to map it", errnoName(-faultedAddress));
  }
  const mapping = { backing, baseAddress, metadataPages, pageCount, lengthBytes, faultedAddress };
  if (backing.kind !== "hugetlbfs" || backing.readOnly) return mapping;
  const result = fallocate(backing.metaFd, FALLOC_FL_KEEP_SIZE, 0, metadataBytes);
  if (result === 0) return mapping;
  unmapBacking(mapping);
  throw mapError(backing, "not enough huge pages for the metadata", errnoName(-result), "sysctl vm.nr_hugepages=N");
}

/** No thread may use a Memory attached to the mapping any more. */
export function unmapBacking(mapping: MemoryMapping): void {
  munmap(mapping.baseAddress, mapping.lengthBytes);
  munmap(mapping.faultedAddress, faultedBytes(mapping.pageCount));
}

/** Of the bits of so many pages. */
export function faultedBytes(pageCount: number): number {
  return 4 * BitSet.wordsFor(pageCount);
}

function mapBits(pageCount: number): Address {
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  return mmap(0, faultedBytes(pageCount), PROT_READ | PROT_WRITE, flags, -1, 0);
}

function mapSingle(backing: Backing): Address {
  const address = mmap(0, backing.metaBytes, protectionOf(backing), flagsOf(backing), backing.metaFd, 0);
  if (address < 0) throw mapError(backing, "cannot be mapped", errnoName(-address));
  return address;
}

/** Reserves the whole range, then maps both files over it, so that no other mapping can be in between. */
function mapSplit(backing: Backing, metadataBytes: number): Address {
  const lengthBytes = metadataBytes + backing.dataBytes;
  const base = mmap(0, lengthBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base < 0) throw mapError(backing, "not enough address space for the pool", errnoName(-base));
  const flags = flagsOf(backing) | MAP_FIXED;
  const protection = protectionOf(backing);
  let result = mmap(base, metadataBytes, protection, flags, backing.metaFd, 0);
  if (result >= 0 && backing.dataBytes > 0)
    result = mmap(base + metadataBytes, backing.dataBytes, protection, flags, backing.dataFd, 0);
  if (result >= 0) return base;
  munmap(base, lengthBytes);
  throw mapError(backing, "cannot be mapped", errnoName(-result));
}

/** MAP_NORESERVE: otherwise a mapping on hugetlbfs would reserve huge pages for its whole length. */
function flagsOf(backing: Backing): number {
  const sync = backing.kind === "fsdax" || (backing.kind === "devdax" && !backing.readOnly);
  return (sync ? MAP_SHARED_VALIDATE | MAP_SYNC : MAP_SHARED) | MAP_NORESERVE;
}

function protectionOf(backing: Backing): number {
  return backing.readOnly ? PROT_READ : PROT_READ | PROT_WRITE;
}

function mapError(backing: Backing, reason: string, code: string, cure?: string): UserError {
  const what = backing.path ?? `the ${backing.kind} pool`;
  return new UserError(what, reason, cure === undefined ? { code } : { code, cure });
}
