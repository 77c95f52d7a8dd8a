/** A row of the results: one thing that is measured on every side of a stage. */
import type { Bench, Running, Side } from "../sides/side.js";

/** `1/s` counts transactions; `×` is a proportion of two times. */
export type Unit = "IOPS" | "MiB/s" | "1/s" | "s" | "us" | "bytes" | "×";

export interface Sample {
  /** In the row's unit. */
  readonly value: number;
  /** What was measured along with it, by name and unit, e.g. `p99Us`; see bench/derived.ts. */
  readonly details?: Readonly<Record<string, number>>;
}

export interface Row {
  /** Unique in its stage, e.g. `randread-4k-j8`. */
  readonly name: string;
  readonly title: string;
  readonly unit: Unit;
  /** Peers have no such thing: only kmemfs is measured. */
  readonly isOursAlone?: boolean;
  /** Also measured by --quick. */
  readonly isQuick?: boolean;
  /** Debian's package of each command that it takes. */
  readonly needs?: Side["needs"];
  /** Slow rows have fewer rounds than the run. */
  readonly mostRounds?: number;
  /** The size of disk that it takes. */
  readonly leastBytes?: number;
  /** Once a run, before the first sample. When it fails, the row is left out. */
  setUp?(bench: Bench): Promise<void>;
  /** Brings the side into the state that the row starts from; not measured. */
  prepare?(side: Running, bench: Bench): Promise<void>;
  measure(side: Running, bench: Bench): Promise<Sample>;
}

/** Rows that are measured on the same sides, which run side by side meanwhile. */
export interface Stage {
  /** The first part of a row's key: `file/randread-4k-j8`. */
  readonly name: string;
  readonly title: string;
  readonly sides: readonly Side[];
  readonly rows: readonly Row[];
  /** Brings a side that was just started into the state that the rows expect. */
  prepare?(side: Running, bench: Bench): Promise<void>;
}

export function keyOf(stage: Stage, row: Row): string {
  return `${stage.name}/${row.name}`;
}
