/**
 * C functions through koffi, on the calling thread.
 *
 * Every function returns the call's result or `-errno`; none throws for an
 * errno. Addresses, lengths and offsets are plain numbers below 2^53 (koffi
 * takes them in a `uint64_t` parameter without a BigInt).
 *
 * koffi takes as long to load as all else that a command needs which only asks a
 * holder: it is loaded by the first call.
 */
import { createRequire } from "node:module";
import type Koffi from "koffi";
import type { Errno } from "../../base/units.js";

let loaded: typeof Koffi | null = null;
let library: ReturnType<typeof Koffi.load> | null = null;

export function koffi(): typeof Koffi {
  loaded ??= createRequire(import.meta.filename)("koffi") as typeof Koffi;
  return loaded;
}

/** The result of a call that was just made, or `-errno`. */
export const checked = (result: number): number => (result < 0 ? -koffi().errno() : result);

/** The C function itself: for the data path, whose wrappers have fixed arities and so allocate nothing. */
export function defineRaw<Args extends unknown[]>(definition: string): (...args: Args) => number {
  library ??= koffi().load("libc.so.6");
  return library.func(definition);
}

/** The C function with its errno; not for the data path, as a rest parameter is an array for each call. */
export function define<Args extends unknown[]>(definition: string): (...args: Args) => number {
  let raw: ((...args: Args) => number) | null = null;
  return (...args) => {
    raw ??= defineRaw<Args>(definition);
    return checked(raw(...args));
  };
}

/** A system call without a function in the C library: syscall(2) is variadic, and all of these go in registers. */
export function defineNumbered<Args extends unknown[]>(number: number, parameters: string): (...args: Args) => number {
  const bound = define<[number, ...Args]>(`int64_t syscall(int64_t number, ${parameters})`);
  return (...args) => bound(number, ...args);
}

/** The positive errno of a result, 0 for none; never -0, which would leave V8's small integers. */
export const errnoOf = (result: number): Errno => (result < 0 ? -result : 0);
