/**
 * 64-bit values as two 32-bit words, little-endian, without BigInt.
 * Values must stay below 2^53; a larger one read back is a rounded number,
 * which every caller refuses by a range check.
 */
const TWO_32 = 0x1_0000_0000;

/** Reads the unsigned 64-bit value at words `[index, index + 2)`. */
export function readU64(words: Int32Array | Uint32Array, index: number): number {
  return (words[index] >>> 0) + (words[index + 1] >>> 0) * TWO_32;
}

/** Writes `value`, an integer in [0, 2^53), to words `[index, index + 2)`. */
export function writeU64(words: Int32Array | Uint32Array, index: number, value: number): void {
  words[index] = value | 0;
  words[index + 1] = Math.floor(value / TWO_32);
}

const crcTable = makeCrcTable();

function makeCrcTable(): Int32Array {
  const table = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    table[byte] = crc;
  }
  return table;
}

/** CRC-32C (Castagnoli, RFC 3720 appendix B.4) of `bytes`, unsigned; `before` is that of the bytes in front of them. */
export function crc32c(bytes: Uint8Array, before = 0): number {
  let crc = before ^ -1;
  for (const byte of bytes) crc = (crc >>> 8) ^ crcTable[(crc ^ byte) & 0xff];
  return (crc ^ -1) >>> 0;
}
