/** The pools whose power is cut, and the ways they are opened. */

export type Way = "served" | "direct";

export interface PoolKind {
  readonly name: string;
  readonly format: readonly string[];
  /** How it is used while the power is cut. */
  readonly io: Way;
  readonly atomicWrites: boolean;
  /** Blocks get pages away from home. */
  readonly strays: boolean;
  /** How it may be opened afterwards. */
  readonly opens: readonly Way[];
}

/** A multiple of the zones of all writers. */
export const DISK_BYTES = 9 * 2 ** 20;
const SIZE = ["--size", "9M"];
const THIN = [...SIZE, "--pool-size", "7M"];
const BOTH: readonly Way[] = ["served", "direct"];

export const KINDS: readonly PoolKind[] = [
  { name: "one file", format: SIZE, io: "served", atomicWrites: false, strays: false, opens: ["served"] },
  { name: "direct", format: ["--split", ...SIZE], io: "direct", atomicWrites: false, strays: false, opens: BOTH },
  { name: "thin", format: THIN, io: "served", atomicWrites: false, strays: true, opens: ["served"] },
  { name: "directory", format: ["--split", ...SIZE], io: "served", atomicWrites: false, strays: true, opens: BOTH },
  { name: "atomic", format: SIZE, io: "served", atomicWrites: true, strays: true, opens: ["served"] },
];
