/**
 * Cache-line write-back for device DAX, which has no fsync: libpmem(7), where it
 * is installed. It knows which instructions the CPU has, and whether its caches
 * survive a power cut by themselves.
 */
import type { Address } from "../../base/units.js";
import { koffi } from "./foreign.js";

/** Each returns when the bytes are on the media. Addresses must be mapped. */
export interface Libpmem {
  persist(address: Address, lengthBytes: number): void;
  memcpy(to: Address, from: Address, lengthBytes: number): void;
  memset(at: Address, byte: number, lengthBytes: number): void;
}

let loaded: Libpmem | null | undefined;

/** The library, for the calling thread; null where it is not installed. */
export function libpmem(): Libpmem | null {
  if (loaded === undefined) loaded = load();
  return loaded;
}

function load(): Libpmem | null {
  const library = installed();
  if (library === null) return null;
  // One that is there but lacks these is an error: a pool must not be volatile without a word.
  return {
    persist: library.func("void pmem_persist(uint64_t addr, uint64_t len)"),
    memcpy: library.func("void pmem_memcpy_persist(uint64_t dest, uint64_t src, uint64_t len)"),
    memset: library.func("void pmem_memset_persist(uint64_t dest, int c, uint64_t len)"),
  };
}

function installed() {
  try {
    return koffi().load("libpmem.so.1");
  } catch {
    return null;
  }
}
