/** The values at which something could break. */
export const PAGE = 4096n;

/** For fields of 64 bits, in a file of `size` bytes that can grow to `largest`. */
export function wideEdges(size: number, largest: number): bigint[] {
  const around = [0n, PAGE, BigInt(size), BigInt(largest), 2n ** 20n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 63n];
  const near = around.flatMap((value) => [value - 1n, value, value + 1n]);
  const bits = Array.from({ length: 64 }, (_, bit) => 1n << BigInt(bit));
  const values = [...near, ...bits, 2n ** 52n + 1n, 2n ** 53n - PAGE, 2n ** 64n - PAGE].map((value) =>
    BigInt.asUintN(64, value),
  );
  return [...new Set(values)];
}

/** For fields of 32 bits: edges, every flag alone, all flags, and pairs of the lower ones. */
export function narrowEdges(): number[] {
  const near = [0, 512, 4096, 32768, 2 ** 20, 2 ** 31].flatMap((value) => [value - 1, value, value + 1]);
  const bits = Array.from({ length: 32 }, (_, bit) => 2 ** bit);
  const pairs = Array.from({ length: 128 }, (_, value) => value);
  return [...new Set([...near, ...bits, ...pairs, 2 ** 32 - 1, 0x8002, 0o1002].map((value) => value >>> 0))];
}
