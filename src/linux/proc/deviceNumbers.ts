/** Major and minor of a Linux dev_t as Node gives it (gnu_dev_major(3)). */
export function deviceNumbers(rdev: number): { readonly major: number; readonly minor: number } {
  const low = rdev % 0x1_0000_0000;
  const high = Math.floor(rdev / 0x1_0000_0000);
  return { major: ((low >>> 8) & 0xfff) | (high & 0xfffff000), minor: (low & 0xff) | ((low >>> 12) & 0xfff00) };
}
