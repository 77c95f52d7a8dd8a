/** The `Memory` port on a mapped backing. */
import type { Memory } from "../../base/ports.js";
import { FileMemory } from "./fileMemory.js";
import { MappedMemory } from "./mappedMemory.js";
import type { MemoryMapping } from "./mapping.js";

/** An instance for the calling thread, of the process that did `mapBacking`; the mapping travels as JSON. */
export function attachMemory(mapping: MemoryMapping): Memory {
  const { kind } = mapping.backing;
  return kind === "hugetlbfs" || kind === "devdax" ? new MappedMemory(mapping) : new FileMemory(mapping);
}
