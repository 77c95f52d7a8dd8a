/** System calls on address ranges. Same convention as `foreign.ts`: the result or `-errno`. */
import { EAGAIN, EFAULT, EINTR, EINVAL, EIO } from "../../base/errno.js";
import type { Address, Errno } from "../../base/units.js";
import { EHWPOISON, SYS_get_mempolicy, SYS_mbind } from "./constants.js";
import { checked, define, defineNumbered, defineRaw, koffi } from "./foreign.js";
import { StructMemory, sigaction } from "./structs.js";

type Mmap = [address: Address, lengthBytes: number, protection: number, flags: number, fd: number, offset: number];

/** @returns the address, or -errno: MAP_FAILED is -1, and a user address is below 2^47 */
export const mmap = define<Mmap>(
  "int64_t mmap(uint64_t addr, uint64_t length, int prot, int flags, int fd, int64_t offset)",
);
/** Every `koffi.view` of the range must be out of use: a view outlives munmap and then crashes. */
export const munmap = define<[address: Address, lengthBytes: number]>("int munmap(uint64_t addr, uint64_t length)");
export const mlock = define<[address: Address, lengthBytes: number]>("int mlock(uint64_t addr, uint64_t length)");

let c_madvise: ((address: Address, lengthBytes: number, advice: number) => number) | null = null;
export function madvise(address: Address, lengthBytes: number, advice: number): number {
  c_madvise ??= defineRaw("int madvise(uint64_t addr, uint64_t length, int advice)");
  return checked(c_madvise(address, lengthBytes, advice));
}

/**
 * Faults a range in by MADV_POPULATE_READ or MADV_POPULATE_WRITE: what would be SIGBUS later is an errno here.
 * @returns 0, also where the kernel does not know the advice (before 5.14, or of a device's mapping), or a positive
 * errno: EIO for lost memory
 */
export function populate(address: Address, lengthBytes: number, advice: number): Errno {
  for (;;) {
    const result = madvise(address, lengthBytes, advice);
    if (result === -EINTR || result === -EAGAIN) continue;
    if (result === 0 || result === -EINVAL) return 0;
    return result === -EFAULT || result === -EHWPOISON ? EIO : -result;
  }
}

/** Bits of a set of NUMA nodes: more than any kernel has (CONFIG_NODES_SHIFT is at most 10). */
export const NODE_SET_BITS = 1024;
/** The kernel takes one off the number of bits (get_nodes in mm/mempolicy.c). */
const MAX_NODE = NODE_SET_BITS + 1;

const c_mbind = defineNumbered<[Address, number, number, Uint8Array, number, number]>(
  SYS_mbind,
  "uint64_t start, uint64_t len, int64_t mode, const void *nmask, uint64_t maxnode, uint64_t flags",
);
const c_get_mempolicy = defineNumbered<[Uint8Array, Uint8Array, number, Address, number]>(
  SYS_get_mempolicy,
  "void *policy, void *nmask, uint64_t maxnode, uint64_t addr, uint64_t flags",
);
/** Sets the policy of a range. @param nodes a bit a node, NODE_SET_BITS of them (mbind(2)) */
export const mbind = (address: Address, lengthBytes: number, mode: number, nodes: Uint8Array, flags: number): number =>
  c_mbind(address, lengthBytes, mode, nodes, MAX_NODE, flags);
/** Fills `mode` (4 bytes) and `nodes` (NODE_SET_BITS) with a policy, as `flags` say with that of an address. */
export const get_mempolicy = (mode: Uint8Array, nodes: Uint8Array, address: Address, flags: number): number =>
  c_get_mempolicy(mode, nodes, MAX_NODE, address, flags);

const c_sigaction = define<[signal: number, action: Uint8Array, old: null]>(
  "int sigaction(int signum, const void *act, void *oldact)",
);
const SA_SIGINFO = 4;
const SA_ONSTACK = 0x08000000;

/** Sets the process's handler of a signal: machine code at `handler`, run with every signal blocked. */
export function setSignalHandler(signal: number, handler: Address): number {
  const action = new StructMemory(sigaction).set({ sa_handler: handler, sa_flags: SA_SIGINFO | SA_ONSTACK });
  action.bytesOf("sa_mask", 128).fill(0xff);
  return c_sigaction(signal, action.bytes, null);
}

/**
 * An ArrayBuffer on mapped memory. Views of one address in several isolates
 * show the same bytes, and Atomics on them are real atomics.
 * @param lengthBytes below 4 GiB: a longer view aborts Node 20
 */
export function viewMemory(address: Address, lengthBytes: number): ArrayBuffer {
  return koffi().view(address, lengthBytes);
}
