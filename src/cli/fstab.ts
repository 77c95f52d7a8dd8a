/** The options of a directory in fstab(5), which mount(8) puts before those of its command line. */
import { unescapeOctal } from "../linux/proc/mounts.js";
import { readText } from "../linux/proc/procFile.js";

/** The options of the last line for `directory`, or null. */
export function optionsInFstab(directory: string, text = readText("/etc/fstab") ?? ""): string | null {
  const lines = text
    .split("\n")
    .filter((line) => !/^\s*(#|$)/.test(line))
    .map((line) => line.trim().split(/\s+/));
  const ours = lines.filter(([, target = "", type = ""]) => {
    return unescapeOctal(target) === directory && /^(fuse\.)?kmemfs$/.test(type);
  });
  return ours.at(-1)?.[3] ?? null;
}

const isSize = (option: string): boolean => option.startsWith("size=");

/** True when a `size=` among `options` is more than what mount(8) took from the line of fstab. */
export function asksForSize(options: readonly string[], inFstab: readonly string[]): boolean {
  const sizes = options.filter(isSize);
  const known = inFstab.filter(isSize);
  return sizes.length > known.length || sizes.some((size) => !known.includes(size));
}
