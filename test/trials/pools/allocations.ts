/**
 * Counts what is allocated in arrays during an execution: in proportion to the
 * pool's real size and never to what its header claims. SharedArrayBuffer and
 * the arrays of words are replaced by counting ones before the code under test
 * makes any.
 */
import { Violation } from "./violation.js";

/** A pool of the trials has at most 128 pages; each time one is opened it has 0.1 MiB of rings and lists. */
const MOST_BYTES = 2 * 1024 * 1024;

let allocatedBytes = 0;

class CountedSharedArrayBuffer extends SharedArrayBuffer {
  constructor(lengthBytes: number) {
    count(lengthBytes);
    super(lengthBytes);
  }
}

function count(lengthBytes: number): void {
  allocatedBytes += lengthBytes;
  if (allocatedBytes > MOST_BYTES) throw new Violation(`an execution allocates ${allocatedBytes} bytes`);
}

/** A constructor that counts and then does what `original` does; a Proxy would cost a tenth of an execution. */
function counted(original: Int32ArrayConstructor | Uint32ArrayConstructor): unknown {
  function Counted(source: number | ArrayBuffer, offset?: number, length?: number): Int32Array | Uint32Array {
    if (typeof source !== "number") return new original(source, offset, length);
    count(source * 4);
    return new original(source);
  }
  return Object.setPrototypeOf(Object.assign(Counted, { prototype: original.prototype }), original);
}

export function installAllocationCount(): void {
  Object.assign(globalThis, {
    SharedArrayBuffer: CountedSharedArrayBuffer,
    Int32Array: counted(Int32Array),
    Uint32Array: counted(Uint32Array),
  });
}

export function beginAllocations(): void {
  allocatedBytes = 0;
}
