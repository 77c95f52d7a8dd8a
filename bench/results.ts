/** A run's results as they are recorded: everything that was measured, and nothing derived from it. */
import { readFileSync } from "node:fs";
import type { Machine } from "./machine.js";
import type { Sample, Unit } from "./rows/row.js";

export interface RowResult {
  readonly key: string;
  readonly title: string;
  readonly unit: Unit;
  /** The share of the CPUs that other programs took just before the row, 0 to 1. */
  readonly busyBefore: number;
  /** By the side's name, one for each round. */
  readonly samples: Readonly<Record<string, readonly Sample[]>>;
}

export interface SideResult {
  readonly name: string;
  readonly title: string;
  readonly isPeer: boolean;
  /** Absent in older records. */
  readonly isYardstick?: boolean;
}

export interface StageResult {
  readonly name: string;
  readonly title: string;
  readonly sides: readonly SideResult[];
  /** Sides and rows that could not take part, and why. */
  readonly missing: readonly { readonly name: string; readonly reason: string }[];
  readonly rows: readonly RowResult[];
}

/** How much was measured: figures of unlike forms cannot be compared. */
export interface Form {
  readonly rounds: number;
  readonly runtimeMs: number;
  readonly sizeBytes: number;
}

export interface Results extends Form {
  /** The version of this shape. Of 1, samples have fewer details and rows are fewer. */
  readonly version: 1 | 2;
  /** ISO 8601, of the start. */
  readonly date: string;
  readonly command: string;
  readonly machine: Machine;
  readonly stages: readonly StageResult[];
  /** Of a record: the rows of a short run in its form, for later short runs. Older records have none. */
  readonly quick?: Form & { readonly stages: readonly StageResult[] };
}

const READABLE: readonly number[] = [1, 2];

/** Reads a recorded run. @throws Error when it is none, or of a version that is not known */
export function readResults(file: string): Results {
  const results = JSON.parse(readFileSync(file, "utf8")) as Results;
  if (READABLE.includes(results.version) && Array.isArray(results.stages)) return results;
  throw new Error(`${file}: not the results of a benchmark, or of an unknown version`);
}
