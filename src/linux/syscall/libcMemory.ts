/** System calls on address ranges. Same convention as `libc.ts`: the result or `-errno`. */
import koffi from "koffi";
import type { Address } from "../../base/units.js";
import { SYS_get_mempolicy, SYS_mbind } from "./constants.js";

const library = koffi.load("libc.so.6");
const checked = (result: number): number => (result < 0 ? -koffi.errno() : result);

// The int64_t result makes MAP_FAILED the number -1; user addresses stay below 2^47.
const c_mmap = library.func(
  "int64_t mmap(uint64_t addr, uint64_t length, int prot, int flags, int fd, int64_t offset)",
);
const c_munmap = library.func("int munmap(uint64_t addr, uint64_t length)");
const c_madvise = library.func("int madvise(uint64_t addr, uint64_t length, int advice)");
const c_mlock = library.func("int mlock(uint64_t addr, uint64_t length)");
const c_sigaction = library.func("int sigaction(int signum, const void *act, void *oldact)");
// The C library has no functions for these two: syscall(2), once for each shape of arguments.
const c_mbind = library.func("syscall", "int64_t", [
  "int64_t",
  "uint64_t",
  "uint64_t",
  "int64_t",
  "const void *",
  "uint64_t",
  "uint64_t",
]);
const c_get_mempolicy = library.func("syscall", "int64_t", [
  "int64_t",
  "void *",
  "void *",
  "uint64_t",
  "uint64_t",
  "uint64_t",
]);

/** @returns the address, or -errno (a user address is never negative). */
export function mmap(
  address: Address,
  lengthBytes: number,
  protection: number,
  flags: number,
  fd: number,
  offset: number,
): number {
  return checked(c_mmap(address, lengthBytes, protection, flags, fd, offset));
}

/** Every `koffi.view` of the range must be out of use: a view outlives munmap and then crashes. */
export const munmap = (address: Address, lengthBytes: number): number => checked(c_munmap(address, lengthBytes));
export const madvise = (address: Address, lengthBytes: number, advice: number): number =>
  checked(c_madvise(address, lengthBytes, advice));
export const mlock = (address: Address, lengthBytes: number): number => checked(c_mlock(address, lengthBytes));

/** Bits of a set of NUMA nodes: more than any kernel has (CONFIG_NODES_SHIFT is at most 10). */
export const NODE_SET_BITS = 1024;
/** The kernel takes one off the number of bits (get_nodes in mm/mempolicy.c). */
const MAX_NODE = NODE_SET_BITS + 1;

/** Sets the policy of a range. @param nodes a bit a node, NODE_SET_BITS of them (mbind(2)) */
export const mbind = (address: Address, lengthBytes: number, mode: number, nodes: Uint8Array, flags: number): number =>
  checked(c_mbind(SYS_mbind, address, lengthBytes, mode, nodes, MAX_NODE, flags));
/** Fills `mode` (4 bytes) and `nodes` (NODE_SET_BITS) with a policy, as `flags` say with that of an address. */
export const get_mempolicy = (mode: Uint8Array, nodes: Uint8Array, address: Address, flags: number): number =>
  checked(c_get_mempolicy(SYS_get_mempolicy, mode, nodes, MAX_NODE, address, flags));

// The C library's struct sigaction, which it turns into the kernel's: handler, 1024 bits of mask, flags, restorer.
const SIGACTION_BYTES = 152;
const SIGACTION_FLAGS_AT = 136;
const SA_SIGINFO = 4;
const SA_ONSTACK = 0x08000000;

/** Sets the process's handler of a signal: machine code at `handler`, run with every signal blocked. */
export function setSignalHandler(signal: number, handler: Address): number {
  const action = new DataView(new ArrayBuffer(SIGACTION_BYTES));
  action.setUint32(0, handler % 2 ** 32, true);
  action.setUint32(4, Math.floor(handler / 2 ** 32), true);
  new Uint8Array(action.buffer, 8, SIGACTION_FLAGS_AT - 8).fill(0xff);
  action.setUint32(SIGACTION_FLAGS_AT, SA_SIGINFO | SA_ONSTACK, true);
  return checked(c_sigaction(signal, new Uint8Array(action.buffer), null));
}

/**
 * An ArrayBuffer on mapped memory. Views of one address in several isolates
 * show the same bytes, and Atomics on them are real atomics.
 * @param lengthBytes below 4 GiB: a longer view aborts Node 20
 */
export function viewMemory(address: Address, lengthBytes: number): ArrayBuffer {
  return koffi.view(address, lengthBytes);
}
