/**
 * Keeps the process alive when memory of the pool is lost: a poisoned page, or a
 * truncated file. A SIGBUS in a guarded range maps a private page of ones over the
 * grain that faulted, and the access is repeated: an index entry of ones names no
 * data page, so its block is EIO. Stores to such a page are lost. Every other SIGBUS
 * has the same effect as without the guard.
 *
 * The handler is machine code (`sigbusCode.ts`) in two pages that are never
 * unmapped: code from a memfd, so that no page is ever writable and executable,
 * and its words. Only the main thread writes the ranges, in an order in which
 * each state between covers no more than the range.
 */
import { closeSync } from "node:fs";
import { assert } from "../../base/assert.js";
import { errnoName } from "../../base/errno.js";
import { UserError } from "../../base/errors.js";
import { type Address, KIB, MIB, PAGE_BYTES } from "../../base/units.js";
import {
  F_ADD_SEALS,
  F_SEAL_SHRINK,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_PRIVATE,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
} from "../syscall/constants.js";
import { fcntl, memfd_create } from "../syscall/libc.js";
import { pwrite } from "../syscall/libcData.js";
import { mmap, munmap, setSignalHandler, viewMemory } from "../syscall/libcMemory.js";
import { guardRange, guardWords, handlerCode, RANGES } from "./sigbusCode.js";

const SIGBUS = 7;
/**
 * The ones of a grain lie at the same place in their file as the grain in this
 * window, so that neighbours become one mapping: a process may have 65,530.
 */
const ONES_BYTES = 256 * KIB;
/** Larger grains (1 GiB pages) would need as much memory of ones. */
const MOST_GRAIN_BYTES = 2 * MIB;
const WORD = 2 ** 32;

/** What the handler has seen. Each read is a plain load: no system call, nothing allocated. */
export class Faults {
  constructor(private readonly words: Int32Array) {}

  /** Faults since the guard was installed, modulo 2^32; threads that fault on one page at once count each. */
  get count(): number {
    return Atomics.load(this.words, guardWords.word.count) >>> 0;
  }

  /** Of the first fault; 0 for none. */
  get firstAddress(): Address {
    return this.address(guardWords.word.firstAddress);
  }

  /** Of one of the latest faults; 0 for none. */
  get lastAddress(): Address {
    return this.address(guardWords.word.lastAddress);
  }

  /** Two loads, repeated until both agree. */
  private address(word: number): Address {
    for (;;) {
      const high = Atomics.load(this.words, word + 1);
      const low = Atomics.load(this.words, word);
      if (high === Atomics.load(this.words, word + 1)) return (high >>> 0) * WORD + (low >>> 0);
    }
  }
}

/** The faults of the guard at `address`, for the calling thread. */
export function attachFaults(address: Address): Faults {
  return new Faults(new Int32Array(viewMemory(address, PAGE_BYTES)));
}

/**
 * Installs the guard of this process: once, on the main thread, before there are threads.
 * @returns null where this architecture has none
 * @throws UserError when the kernel refuses: EACCES, EPERM (a security module), ENOMEM, EMFILE
 */
export function installSigbusGuard(architecture: string = process.arch): SigbusGuard | null {
  const code = handlerCode(architecture);
  if (code === null) return null;
  const codeAddress = mapCode(code);
  const address = codeAddress + PAGE_BYTES;
  const words = new Int32Array(viewMemory(address, PAGE_BYTES));
  const onesFd = must("memfd_create", memfd_create("kmemfs-ones", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  const guard = new SigbusGuard(address, words, onesFd);
  must("sealing its memfd", fcntl(onesFd, F_ADD_SEALS, F_SEAL_SHRINK));
  guard.makeOnes(ONES_BYTES);
  must("sigaction", setSignalHandler(SIGBUS, codeAddress));
  return guard;
}

/** Two pages: the handler, which may not be written, and its words, which may not be executed. */
function mapCode(code: Uint8Array): Address {
  const address = must("mmap", mmap(0, 2 * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  // Written where the words will be, which are zeros again afterwards.
  const staging = new Uint8Array(viewMemory(address + PAGE_BYTES, PAGE_BYTES));
  staging.set(code);
  const fd = must("memfd_create", memfd_create("kmemfs-sigbus", MFD_CLOEXEC));
  must("pwrite", pwrite(fd, address + PAGE_BYTES, PAGE_BYTES, 0));
  staging.fill(0);
  const mapped = mmap(address, PAGE_BYTES, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, 0);
  closeSync(fd);
  if (mapped < 0) munmap(address, 2 * PAGE_BYTES);
  return must("mmap", mapped);
}

export class SigbusGuard {
  private onesBytes = 0;

  /** @param address of its words, for every thread of the process: `attachFaults(address)` */
  constructor(
    readonly address: Address,
    private readonly words: Int32Array,
    private readonly onesFd: number,
  ) {
    this.words[guardWords.word.onesFd] = onesFd;
  }

  /**
   * Guards `[address, address + lengthBytes)` until `forget`, which must come before munmap.
   * @param grainBytes what is lost at once: a power of two, 4096 to 2 MiB; the range must be made of whole ones
   * @throws UserError when there is no place for one more range, the grain is too large, or no memory for its ones
   */
  guard(address: Address, lengthBytes: number, grainBytes: number): void {
    assert(grainBytes >= PAGE_BYTES && Number.isInteger(Math.log2(grainBytes)), `a grain of ${grainBytes} bytes`);
    assert(address % grainBytes === 0 && lengthBytes % grainBytes === 0, "the range is not made of whole grains");
    if (grainBytes > MOST_GRAIN_BYTES) throw refusal(`cannot guard pages of ${grainBytes} bytes`, "EINVAL");
    this.makeOnes(grainBytes);
    const at = this.slot((start, length) => length === 0 && start === 0);
    if (at < 0) throw refusal(`cannot guard more than ${RANGES} ranges`, "ENOSPC");
    const { start, length, grainMask, grain } = guardRange.word;
    this.store(at + start, address);
    this.store(at + grain, grainBytes);
    Atomics.store(this.words, at + grainMask, -grainBytes);
    Atomics.store(this.words, at + grainMask + 1, -1);
    this.store(at + length, lengthBytes);
  }

  /** Ends the guard of the range that begins at `address`; none is no error. */
  forget(address: Address): void {
    const at = this.slot((start, length) => start === address && length > 0);
    if (at < 0) return;
    // The high word first: a smaller length at every moment.
    Atomics.store(this.words, at + guardRange.word.length + 1, 0);
    Atomics.store(this.words, at + guardRange.word.length, 0);
    this.store(at + guardRange.word.start, 0);
  }

  /** Extends the file of ones to at least this length, a power of two. */
  makeOnes(lengthBytes: number): void {
    if (lengthBytes <= this.onesBytes) return;
    const ones = must("mmap", mmap(0, lengthBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    new Uint8Array(viewMemory(ones, lengthBytes)).fill(0xff);
    const written = pwrite(this.onesFd, ones, lengthBytes, 0);
    munmap(ones, lengthBytes);
    if (must("pwrite", written) < lengthBytes) throw refusal("cannot fill its memfd", "ENOSPC");
    this.onesBytes = lengthBytes;
    this.store(guardWords.word.onesMask, lengthBytes - 1);
  }

  /** First word of the first range that `fits`, or -1. */
  private slot(fits: (start: Address, lengthBytes: number) => boolean): number {
    for (let i = 0; i < RANGES; i++) {
      const at = (guardWords.sizeBytes + i * guardRange.sizeBytes) / 4;
      if (fits(this.load(at + guardRange.word.start), this.load(at + guardRange.word.length))) return at;
    }
    return -1;
  }

  private load(word: number): number {
    return ((this.words[word + 1] as number) >>> 0) * WORD + ((this.words[word] as number) >>> 0);
  }

  /** The low word first: a length grows from 0 and never covers too much. */
  private store(word: number, value: number): void {
    Atomics.store(this.words, word, (value % WORD) | 0);
    Atomics.store(this.words, word + 1, Math.floor(value / WORD));
  }
}

function must(what: string, result: number): number {
  if (result < 0) throw refusal(`${what} failed`, errnoName(-result));
  return result;
}

function refusal(reason: string, code: string): UserError {
  return new UserError("the guard against lost memory", reason, { code });
}
