/**
 * Native memory outside the JavaScript heap. It is allocated at start and lives as
 * long as the process: a buffer that the kernel reads into must not fault during a
 * request (a SIGKILL during a page fault in a FUSE read ends that request with EIO),
 * and a view of unmapped memory crashes.
 */
import { errnoName } from "../../base/errno.js";
import { UserError } from "../../base/errors.js";
import { type Address, MIB, PAGE_BYTES } from "../../base/units.js";
import {
  MADV_DONTFORK,
  MADV_NOHUGEPAGE,
  MAP_ANONYMOUS,
  MAP_POPULATE,
  MAP_PRIVATE,
  PROT_READ,
  PROT_WRITE,
} from "./constants.js";
import { madvise, mlock, mmap, viewMemory } from "./libcMemory.js";

export interface NativeBuffer {
  readonly address: Address;
  readonly lengthBytes: number;
  /** The same memory. Another isolate makes its own view with `viewMemory(address, lengthBytes)`. */
  readonly bytes: ArrayBuffer;
  /** False when RLIMIT_MEMLOCK refused mlock(2): the pages may then be swapped out. */
  readonly locked: boolean;
}

/**
 * Zeroed memory of at least `lengthBytes` (rounded up to pages), faulted in and locked.
 * @throws UserError ENOMEM
 */
export function allocateBuffer(lengthBytes: number): NativeBuffer {
  const length = Math.ceil(lengthBytes / PAGE_BYTES) * PAGE_BYTES;
  const address = mmap(0, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (address < 0) throw noMemory(length, -address);
  // After a fork, copy-on-write would make our next store fault; a child does not need the buffer.
  madvise(address, length, MADV_DONTFORK);
  const locked = mlock(address, length) === 0;
  return { address, lengthBytes: length, bytes: viewMemory(address, length), locked };
}

/** What `zeros` has. */
export const ZERO_BYTES = MIB;

let zeroAddress: Address = 0;

/**
 * Address of ZERO_BYTES zeros, the thread's own, that cost no memory: a read-only private mapping,
 * never written, whose every page is the kernel's one zero page.
 * @throws UserError ENOMEM
 */
export function zeros(): Address {
  if (zeroAddress !== 0) return zeroAddress;
  const address = mmap(0, ZERO_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address < 0) throw noMemory(ZERO_BYTES, -address);
  // Without this a kernel with transparent huge pages makes a 2 MiB page of zeros.
  madvise(address, ZERO_BYTES, MADV_NOHUGEPAGE);
  zeroAddress = address;
  return address;
}

function noMemory(lengthBytes: number, errno: number): UserError {
  return new UserError(`a buffer of ${lengthBytes} bytes`, "not enough memory", { code: errnoName(errno) });
}
