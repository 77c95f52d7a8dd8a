/** Inputs: random ones, and small changes of others. */
import type { Random } from "../../support/random.js";

export const MOST_INPUT_BYTES = 160;
/** As many bytes say what the pool is and what is done with it; the rest are damages. */
const HEADER_BYTES = 26;
/** Bytes of damages: none, about one, a few, many. */
const TAILS = [0, 3, 5, 7, 7, 12, 24, 100] as const;
/** Bytes that choose well: few and many, the edges, what else the choices test for. */
const LIKELY = [0, 1, 2, 3, 7, 8, 16, 31, 32, 63, 64, 127, 128, 192, 223, 224, 240, 255] as const;

/** A random input. @param buffer of MOST_INPUT_BYTES @returns its length */
export function randomInput(random: Random, buffer: Uint8Array): number {
  const most = random.pick(TAILS);
  const length = HEADER_BYTES + (most === 0 ? 0 : 1 + random.below(most));
  for (let i = 0; i < length; i++) buffer[i] = random.chance(0.2) ? random.pick(LIKELY) : random.below(256);
  return length;
}

/** Changes `length` bytes of `buffer` in a few places. @param other another input to take parts of @returns the new length */
export function mutate(random: Random, buffer: Uint8Array, length: number, other: Uint8Array): number {
  let now = length;
  for (let times = 1 << random.below(4); times > 0; times--) now = mutateOnce(random, buffer, now, other);
  return now;
}

function mutateOnce(random: Random, buffer: Uint8Array, length: number, other: Uint8Array): number {
  const at = random.below(length);
  switch (random.below(8)) {
    case 0:
      (buffer[at] as number) ^= 1 << random.below(8);
      return length;
    case 1:
      buffer[at] = random.pick(LIKELY);
      return length;
    case 2:
      buffer[at] = random.below(256);
      return length;
    case 3:
      buffer[at] = (buffer[at] as number) + 1 + random.below(4) - 3 * random.below(2);
      return length;
    case 4:
      return insert(random, buffer, length, at);
    case 5:
      return remove(random, buffer, length, at);
    case 6:
      return splice(random, buffer, length, other);
    default:
      return append(random, buffer, length);
  }
}

function insert(random: Random, buffer: Uint8Array, length: number, at: number): number {
  const count = Math.min(1 + random.below(6), MOST_INPUT_BYTES - length);
  buffer.copyWithin(at + count, at, length);
  for (let i = 0; i < count; i++) buffer[at + i] = random.below(256);
  return length + count;
}

function remove(random: Random, buffer: Uint8Array, length: number, at: number): number {
  const count = Math.min(1 + random.below(6), length - at, length - 1);
  buffer.copyWithin(at, at + count, length);
  return length - count;
}

/** Goes on as another input does, from some place. */
function splice(random: Random, buffer: Uint8Array, length: number, other: Uint8Array): number {
  const at = random.below(Math.min(length, other.length));
  buffer.set(other.subarray(at), at);
  return other.length;
}

function append(random: Random, buffer: Uint8Array, length: number): number {
  const count = Math.min(1 + random.below(8), MOST_INPUT_BYTES - length);
  for (let i = 0; i < count; i++) buffer[length + i] = random.below(256);
  return length + count;
}
