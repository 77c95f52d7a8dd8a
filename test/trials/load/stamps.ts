/**
 * What a sector written by the load holds: its own number, the tick at which the
 * write began, and a filling that follows from both, so that a sector of another
 * block, a torn one and a stale one are all told apart. A sector of zeros is tick 0.
 */

export const SECTOR_BYTES = 512;
export const SECTOR_WORDS = SECTOR_BYTES / 4;
export const BLOCK_SECTORS = 8;
const MAGIC = 0x6b6d7374;

const wordOf = (sector: number, tick: number, word: number): number =>
  Math.imul(Math.imul(tick, 0x9e3779b1) ^ Math.imul(sector + 1, 0x85ebca6b), 2 * word + 1);

/** Stamps one sector at word `at` of `words`. */
export function stampSector(words: Int32Array, at: number, sector: number, tick: number): void {
  words[at] = MAGIC;
  words[at + 1] = sector;
  words[at + 2] = tick;
  for (let word = 3; word < SECTOR_WORDS; word++) words[at + word] = wordOf(sector, tick, word);
}

/** @returns the tick of the write that made sector `sector`, 0 for zeros, or a negative number that stands for anything else */
export function tickOf(words: Int32Array, at: number, sector: number): number {
  if (words[at] === 0) {
    for (let word = 1; word < SECTOR_WORDS; word++) if (words[at + word] !== 0) return fingerprint(words, at);
    return 0;
  }
  const tick = words[at + 2] as number;
  if (words[at] !== MAGIC || words[at + 1] !== sector || tick <= 0) return fingerprint(words, at);
  for (let word = 3; word < SECTOR_WORDS; word++) {
    if (words[at + word] !== wordOf(sector, tick, word)) return fingerprint(words, at);
  }
  return tick;
}

function fingerprint(words: Int32Array, at: number): number {
  let mixed = 1;
  for (let word = 0; word < SECTOR_WORDS; word++) mixed = Math.imul(mixed ^ (words[at + word] as number), 0x9e3779b1);
  return (mixed >>> 1) - 2 ** 31;
}

/** True when every byte of the sector is that of one of the versions `ticks`: a copy that was cut off in between. */
export function isTornOf(words: Int32Array, at: number, sector: number, ticks: readonly number[]): boolean {
  const bytes = new Uint8Array(words.buffer, words.byteOffset + 4 * at, SECTOR_BYTES);
  const versions = ticks.map((tick) => {
    const version = new Int32Array(SECTOR_WORDS);
    if (tick !== 0) stampSector(version, 0, sector, tick);
    return new Uint8Array(version.buffer);
  });
  return bytes.every((byte, i) => versions.some((version) => version[i] === byte));
}

/** For a message: what a foreign sector seems to be. */
export function describeForeign(words: Int32Array, at: number, sector: number): string {
  if (words[at] !== MAGIC) return `no stamp, but 0x${((words[at] as number) >>> 0).toString(16)}`;
  const [, number, tick] = words.subarray(at, at + 3);
  return number === sector ? `a torn sector of tick ${tick}` : `sector ${number} of tick ${tick}`;
}
