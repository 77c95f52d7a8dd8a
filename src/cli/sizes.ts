/**
 * Parses sizes as util-linux does, and formats them.
 * The arithmetic is exact (BigInt): 2.3GB in floating point is one byte short.
 */
import { totalmem } from "node:os";
import { UserError } from "../base/errors.js";
import { PAGE_BYTES } from "../base/units.js";

const SIZE_PATTERN = /^(\d+)(?:\.(\d+))?(?:([KMGTPE])(iB|B)?)?$/i;
const SUFFIXES = "KMGTPE";
const LIMIT = 2n ** 53n;
const CURE =
  "a size such as 512M, 4G, 1.5GiB (powers of 1024), 4GB (powers of 1000), bytes as a bare number, or 50% of the memory";

function refused(what: string, reason: string): UserError {
  return new UserError(what, reason, { code: "EINVAL", cure: CURE, exitCode: 2 });
}

/**
 * Bytes of the size `text`, an integer in [1, 2^53); a fraction of a byte is dropped.
 * @param what names the place in an error, e.g. `--size 5X`
 * @throws UserError for anything that is not such a size
 */
export function parseSize(text: string, what: string): number {
  const match = SIZE_PATTERN.exec(text);
  if (match === null) throw refused(what, text === "" ? "the size is empty" : "not a size");
  const [, whole = "", fraction = "", suffix = "", tail = ""] = match;
  if (fraction !== "" && suffix === "") throw refused(what, "not a whole number of bytes");
  const base = tail.toUpperCase() === "B" ? 1000n : 1024n;
  const multiplier = suffix === "" ? 1n : base ** BigInt(SUFFIXES.indexOf(suffix.toUpperCase()) + 1);
  const scale = 10n ** BigInt(fraction.length);
  const bytes = (BigInt(whole + fraction) * multiplier) / scale;
  if (bytes === 0n) throw refused(what, "the size is zero");
  if (bytes >= LIMIT) throw refused(what, "larger than 8 PiB, the largest size there is");
  return Number(bytes);
}

/**
 * As `parseSize`, rounded down to whole pages; less than one page is refused.
 * @param memoryBytes what `50%` is half of, as in tmpfs(5)
 */
export function parsePageSizeFloor(text: string, what: string, memoryBytes = totalmem()): number {
  const percent = /^(\d{1,4})%$/.exec(text)?.[1];
  const bytes = percent === undefined ? parseSize(text, what) : partOf(memoryBytes, Number(percent), what);
  const rounded = bytes - (bytes % PAGE_BYTES);
  if (rounded === 0) throw refused(what, `smaller than one page of ${PAGE_BYTES} bytes`);
  return rounded;
}

function partOf(memoryBytes: number, percent: number, what: string): number {
  if (percent === 0) throw refused(what, "the size is zero");
  return Math.floor((memoryBytes / 100) * percent);
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/** `bytes` for people: `0 B`, `1.5 GiB`; one decimal, units of 1024. */
export function formatBytes(bytes: number): string {
  const magnitude = Math.abs(bytes);
  let unit = 0;
  let value = magnitude;
  // 1023.95 would be printed as 1024.0, which the next unit writes as 1.0.
  while (value >= (unit === 0 ? 1024 : 1023.95) && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const sign = bytes < 0 ? "-" : "";
  return `${sign}${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}
