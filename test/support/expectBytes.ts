/** Compares bytes. Vitest's own comparison takes minutes to describe how two large arrays differ. */

/** @throws Error naming the first byte that differs */
export function expectBytes(found: Uint8Array, expected: Uint8Array, what = "bytes"): void {
  if (Buffer.compare(found, expected) === 0) return;
  if (found.length !== expected.length) throw new Error(`${what}: ${found.length}, expected ${expected.length}`);
  const at = found.findIndex((byte, i) => byte !== expected[i]);
  const block = Math.floor(at / 4096);
  throw new Error(`${what}: byte ${at} (of block ${block}) is ${found[at]}, expected ${expected[at]}`);
}
