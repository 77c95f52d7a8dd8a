/** Two runs side by side: what has become faster or slower from one to the other, beyond their noise. */
import { type Column, formatTable } from "../src/cli/print.js";
import { derivedRow } from "./derived.js";
import type { Results, RowResult, StageResult } from "./results.js";
import { type Spread, spreadOf, timesAsGood } from "./statistics.js";
import { formatFigure, formatRatio } from "./table.js";

/** Ranges that do not meet count as a change only from here on. */
const SMALLEST_CHANGE = 0.05;

export interface Change {
  readonly key: string;
  readonly side: string;
  readonly unit: RowResult["unit"];
  readonly before: Spread;
  readonly after: Spread;
  /** How many times as good after is as before: of the medians, and of the ranges' ends. */
  readonly ratio: Spread;
  /** The same of the peers on this row, their median: what the machine itself has become. */
  readonly peers: number | undefined;
  readonly verdict: "better" | "worse" | "same";
}

const spreadOn = (row: RowResult, side: string): Spread | undefined => {
  const samples = row.samples[side];
  return samples && spreadOf(samples.map((sample) => sample.value));
};

function ratioOf(before: Spread, after: Spread, unit: RowResult["unit"]): Spread {
  const ends = [timesAsGood(after.min, before.max, unit), timesAsGood(after.max, before.min, unit)];
  const median = timesAsGood(after.median, before.median, unit);
  return { median, min: Math.min(...ends), max: Math.max(...ends) };
}

function verdictOf({ median, min, max }: Spread): Change["verdict"] {
  if (min > 1 && median > 1 + SMALLEST_CHANGE) return "better";
  return max < 1 && median < 1 - SMALLEST_CHANGE ? "worse" : "same";
}

function peersRatio(before: RowResult, after: RowResult, stage: StageResult): number | undefined {
  const ratios = stage.sides
    .filter((side) => side.isPeer)
    .flatMap(({ name }) => {
      const [one, other] = [spreadOn(before, name), spreadOn(after, name)];
      return one && other ? [timesAsGood(other.median, one.median, after.unit)] : [];
    });
  return ratios.length === 0 ? undefined : spreadOf(ratios).median;
}

function changesOf(before: RowResult, after: RowResult, stage: StageResult): Change[] {
  const { key, unit } = after;
  const peers = peersRatio(before, after, stage);
  return stage.sides
    .filter((side) => !side.isPeer)
    .flatMap(({ name: side }) => {
      const [one, other] = [spreadOn(before, side), spreadOn(after, side)];
      if (one === undefined || other === undefined) return [];
      const ratio = ratioOf(one, other, unit);
      return [{ key, side, unit, before: one, after: other, ratio, peers, verdict: verdictOf(ratio) }];
    });
}

/** Derived rows that are worth a line: the tail of the loads, and what a tree's sample has more. */
const DERIVED = ["p999", "delete", "trim"];

/** What both runs have of our sides, in the order of the second. */
export function changesBetween(before: Results, after: Results): Change[] {
  return after.stages.flatMap((stage) => {
    const old = before.stages.find((one) => one.name === stage.name);
    if (old === undefined) return [];
    return stage.rows.flatMap((row) => {
      const keys = DERIVED.map((name) => `${row.key}:${name}`);
      const same = old.rows.find((one) => one.key === row.key && one.unit === row.unit);
      const derived = keys.flatMap((key) => {
        const [one, other] = [derivedRow(old, key), derivedRow(stage, key)];
        return one && other ? changesOf(one, other, stage) : [];
      });
      return [...(same ? changesOf(same, row, stage) : []), ...derived];
    });
  });
}

const COLUMNS: readonly Column[] = [
  { title: "ROW" },
  { title: "SIDE" },
  { title: "BEFORE", right: true },
  { title: "AFTER", right: true },
  { title: "RATIO", right: true },
  { title: "RANGE", right: true },
  { title: "PEERS", right: true },
  { title: "" },
];

function cellsOf({ key, side, unit, before, after, ratio, peers, verdict }: Change): string[] {
  return [
    key,
    side,
    formatFigure(before.median, unit),
    formatFigure(after.median, unit),
    formatRatio(ratio.median),
    `${formatRatio(ratio.min)} to ${formatRatio(ratio.max)}`,
    peers === undefined ? "" : formatRatio(peers),
    verdict === "same" ? "" : verdict,
  ];
}

function headLines(before: Results, after: Results): string[] {
  const isSameMachine = before.machine.cpu === after.machine.cpu && before.machine.kernel === after.machine.kernel;
  const isSameLoad = before.sizeBytes === after.sizeBytes && before.runtimeMs === after.runtimeMs;
  const of = ({ date, machine }: Results): string => `${date.slice(0, 16)}, kmemfs ${machine.versions.kmemfs ?? "?"}`;
  return [
    `before: ${of(before)}`,
    `after:  ${of(after)}`,
    ...(isSameMachine ? [] : ["The machines or kernels differ."]),
    ...(isSameLoad ? [] : ["The disks' sizes or the loads' times differ."]),
  ];
}

/** The comparison for a terminal. Ratios above 1 are for the better. */
export function comparisonLines(before: Results, after: Results): string[] {
  const changes = changesBetween(before, after);
  const count = (verdict: Change["verdict"]): number => changes.filter((change) => change.verdict === verdict).length;
  return [
    ...headLines(before, after),
    "",
    ...formatTable(COLUMNS, changes.map(cellsOf)),
    "",
    `${count("better")} better and ${count("worse")} worse beyond noise (ranges apart and more than ${SMALLEST_CHANGE * 100} %), ${count("same")} the same.`,
    "RATIO is how many times as good, RANGE what both runs' spreads allow, PEERS the same of the peers: the machine.",
  ];
}
