/** Writes until there is no room, with a ledger of what was acknowledged; then compares all of it. */
import { run } from "./processes.js";

export interface Entry {
  readonly offset: number;
  readonly length: number;
  /** Every byte of the range. */
  readonly byte: number;
}

export interface Ledger {
  readonly acknowledged: readonly Entry[];
  /** What the writes said that failed, each message once. */
  readonly errors: readonly string[];
}

export interface Writes {
  readonly count: number;
  readonly length: number;
  readonly start?: number;
}

/** Writes ranges in a row with direct I/O, each with another byte, and goes on after errors. */
export async function writeWithLedger(path: string, writes: Writes, firstByte = 1): Promise<Ledger> {
  const { count, length, start = 0 } = writes;
  const wanted = Array.from({ length: count }, (_one, i) => {
    return { offset: start + i * length, length, byte: 1 + ((firstByte + i) % 250) };
  });
  const commands = wanted.flatMap(({ offset, byte }) => ["-c", `pwrite -b ${length} -S ${byte} ${offset} ${length}`]);
  const { stdout, stderr } = await run("xfs_io", ["-d", ...commands, path], { allowFail: true, timeoutMs: 60_000 });
  const said = [...stdout.matchAll(/^wrote (\d+)\/\d+ bytes at offset (\d+)/gm)];
  const written = new Map(said.map(([, bytes, offset]) => [Number(offset), Number(bytes)]));
  const acknowledged = wanted
    .map((entry) => ({ ...entry, length: written.get(entry.offset) ?? 0 }))
    .filter((entry) => entry.length > 0);
  return { acknowledged, errors: [...new Set(stderr.trim().split("\n").filter(Boolean))] };
}

/** @throws Error at the first acknowledged range that reads differently */
export async function compareLedger(path: string, acknowledged: readonly Entry[]): Promise<void> {
  const lines = acknowledged.map(({ offset, length, byte }) => {
    const expected = `head -c ${length} /dev/zero | tr '\\0' '\\${byte.toString(8).padStart(3, "0")}'`;
    return `${expected} | cmp -n ${length} - '${path}' 0 ${offset} || exit 1`;
  });
  await run("sh", [], { input: lines.join("\n"), timeoutMs: 60_000 });
}

export const bytesOf = (entries: readonly Entry[]): number => entries.reduce((sum, entry) => sum + entry.length, 0);
