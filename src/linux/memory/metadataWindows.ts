/**
 * Views of the metadata pages, in windows, as a koffi.view above 4 GiB aborts
 * Node 20. Each thread has its own views of the same bytes.
 */
import { assert } from "../../base/assert.js";
import { WINDOW_BYTES } from "../../base/ports.js";
import { pagesToBytes } from "../../base/units.js";
import { viewMemory } from "../syscall/libcMemory.js";
import type { MemoryMapping } from "./mapping.js";

export class MetadataWindows {
  private readonly windows: (Int32Array | undefined)[] = [];

  constructor(private readonly mapping: MemoryMapping) {}

  /** The 32-bit words of window `windowNo`; the last one ends with the metadata. The same array each time. */
  words(windowNo: number): Int32Array {
    return this.windows[windowNo] ?? this.open(windowNo);
  }

  private open(windowNo: number): Int32Array {
    const start = windowNo * WINDOW_BYTES;
    const lengthBytes = Math.min(WINDOW_BYTES, pagesToBytes(this.mapping.metadataPages) - start);
    assert(windowNo >= 0 && lengthBytes > 0, `metadata window ${windowNo} lies past the metadata`);
    const words = new Int32Array(viewMemory(this.mapping.baseAddress + start, lengthBytes));
    this.windows[windowNo] = words;
    return words;
  }
}
