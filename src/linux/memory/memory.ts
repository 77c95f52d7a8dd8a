/** The `Memory` port on a mapped backing. */
import type { Memory } from "../../base/ports.js";
import { FileMemory } from "./fileMemory.js";
import { MappedMemory } from "./mappedMemory.js";
import type { MemoryMapping } from "./mapping.js";

/**
 * An instance for the calling thread, of the process that did `mapBacking`; the mapping travels as JSON.
 * @param isGuarded the process survives a store to memory that is lost, and tells that request (`sigbusGuard.ts`)
 */
export function attachMemory(mapping: MemoryMapping, isGuarded = false): Memory {
  const { kind } = mapping.backing;
  return kind === "hugetlbfs" || kind === "devdax" ? new MappedMemory(mapping) : new FileMemory(mapping, isGuarded);
}
