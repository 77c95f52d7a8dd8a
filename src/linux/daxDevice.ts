/**
 * Device DAX: a character device on which only mmap works. Its size and
 * alignment stand in sysfs under its device number (drivers/dax/bus.c);
 * fstat and lseek say 0. A mapping longer than the device succeeds and is
 * SIGBUS past its end, so the size here bounds everything.
 */
import { readText } from "./procFile.js";

export interface DaxSysfs {
  /** @returns bytes, or null when this is no DAX device */
  sizeBytes(major: number, minor: number): number | null;
  /** @returns the multiple that offsets and lengths of mappings keep to, or null when the kernel does not say */
  alignBytes(major: number, minor: number): number | null;
}

export const daxSysfs: DaxSysfs = makeDaxSysfs("/sys");

/** @param root where sysfs is mounted; a directory of plain files stands in for it in tests */
export function makeDaxSysfs(root: string): DaxSysfs {
  const number = (major: number, minor: number, attribute: string): number | null => {
    const text = readText(`${root}/dev/char/${major}:${minor}/${attribute}`)?.trim();
    const value = text === undefined || text === "" ? Number.NaN : Number(text);
    return Number.isSafeInteger(value) && value > 0 ? value : null;
  };
  return {
    sizeBytes: (major, minor) => number(major, minor, "size"),
    alignBytes: (major, minor) => number(major, minor, "align"),
  };
}

/** Major and minor of a Linux dev_t as Node gives it (gnu_dev_major(3)). */
export function deviceNumbers(rdev: number): { readonly major: number; readonly minor: number } {
  const low = rdev % 0x1_0000_0000;
  const high = Math.floor(rdev / 0x1_0000_0000);
  return { major: ((low >>> 8) & 0xfff) | (high & 0xfffff000), minor: (low & 0xff) | ((low >>> 12) & 0xfff00) };
}
