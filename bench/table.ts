/** Comparisons as tables, for the terminal and for Markdown. */
import { type Column, formatTable } from "../src/cli/print.js";
import { formatBytes } from "../src/cli/sizes.js";
import { type Comparison, comparisonsOf } from "./comparison.js";
import type { Results, RowResult, StageResult } from "./results.js";
import type { Unit } from "./rows/row.js";
import type { Spread } from "./statistics.js";
import type { Limit } from "./targets.js";

const WORDS = { "at least": "≥", "at most": "≤", below: "<", above: ">" } as const;
/** Behind a figure; IOPS stand without. */
const SUFFIXES: Record<Unit, string> = {
  IOPS: "",
  "MiB/s": " MiB/s",
  "1/s": " /s",
  s: " s",
  us: " us",
  bytes: "",
  "×": " ×",
};

/** Three significant digits, thousands as k: `124k`, `9.21k`, `856`, `0.151`. */
export function short(value: number): string {
  if (value >= 1000) return `${Number((value / 1000).toPrecision(3))}k`;
  return String(Number(value.toPrecision(3)));
}

export function formatFigure(value: number, unit: Unit): string {
  if (unit === "bytes") return formatBytes(value);
  return `${short(value)}${SUFFIXES[unit]}`;
}

/** The range around a median, whose unit stands beside it. */
function formatRange({ min, max }: Spread, unit: Unit): string {
  if (unit === "bytes") return `${formatBytes(min)} to ${formatBytes(max)}`;
  return `${short(min)} to ${short(max)}`;
}

export function formatRatio(value: number): string {
  return value.toFixed(value < 10 ? 2 : 1);
}

export function formatLimit(limit: Limit, unit: Unit, isRatio: boolean): string {
  const figure = isRatio ? `${Number(limit.value.toPrecision(3))} ×` : formatFigure(limit.value, unit);
  return `${WORDS[limit.is]} ${figure}${limit.inEveryRound ? " in every round" : ""}`;
}

const COLUMNS: readonly Column[] = [
  { title: "ROW" },
  { title: "OURS", right: true },
  { title: "RANGE", right: true },
  { title: "PEER" },
  { title: "THEIRS", right: true },
  { title: "RANGE", right: true },
  { title: "RATIO", right: true },
  { title: "RANGE", right: true },
  { title: "TARGET", right: true },
  { title: "" },
];

function cellsOf({ row, ours, peer, target }: Comparison): string[] {
  const { unit } = row;
  const rival = peer && [peer.name, formatFigure(peer.figure.median, unit), formatRange(peer.figure, unit)];
  const ratio = peer?.ratio;
  return [
    row.title,
    formatFigure(ours.median, unit),
    formatRange(ours, unit),
    ...(rival ?? ["", "", ""]),
    ...(ratio ? [formatRatio(ratio.median), `${formatRatio(ratio.min)} to ${formatRatio(ratio.max)}`] : ["", ""]),
    ...(target ? [formatLimit(target.limit, unit, peer !== undefined), target.isMet ? "pass" : "FAIL"] : ["", ""]),
  ];
}

/** A row's title stands once, at its first peer. */
function withoutRepeats(rows: readonly string[][]): string[][] {
  return rows.map((cells, i) => (i > 0 && rows[i - 1]![0] === cells[0] ? ["", ...cells.slice(1)] : cells));
}

export interface Section {
  readonly title: string;
  readonly comparisons: readonly Comparison[];
  readonly missing: StageResult["missing"];
}

/** The peers that nobody would choose. */
export function yardsticksOf(results: Results): string[] {
  const sides = results.stages.flatMap((stage) => stage.sides);
  return sides.filter((side) => side.isYardstick).map((side) => side.name);
}

/** The section with only what `isChosen`. */
function withComparisons(section: Section, isChosen: (peer: string | undefined) => boolean): Section {
  return { ...section, comparisons: section.comparisons.filter(({ peer }) => isChosen(peer?.name)) };
}

/** Each section without the yardsticks, and those that have some with nothing else. */
export function parted(results: Results): { readonly products: Section[]; readonly yardsticks: Section[] } {
  const names = yardsticksOf(results);
  const isYardstick = (peer: string | undefined): boolean => peer !== undefined && names.includes(peer);
  const sections = sectionsOf(results);
  return {
    products: sections.map((section) => withComparisons(section, (peer) => !isYardstick(peer))),
    yardsticks: sections
      .map((section) => withComparisons(section, isYardstick))
      .filter(({ comparisons }) => comparisons.length > 0),
  };
}

/** One section for each of our sides in each stage. */
export function sectionsOf(results: Results): Section[] {
  return results.stages.flatMap((stage) =>
    stage.sides
      .filter((side) => !side.isPeer)
      .map((side) => ({
        title: `${side.title}, ${stage.title}`,
        comparisons: comparisonsOf(stage, side.name),
        missing: stage.missing,
      })),
  );
}

export function markdownLine(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

/** The section's table for a terminal. */
export function terminalTable(section: Section): string[] {
  return formatTable(COLUMNS, withoutRepeats(section.comparisons.map(cellsOf)));
}

/** The section's table in Markdown, the key of each row in place of repeated titles. */
export function markdownTable(section: Section): string[] {
  const rows = section.comparisons.map((comparison) => [...cellsOf(comparison), `\`${comparison.row.key}\``]);
  return [
    markdownLine([...COLUMNS.map((column) => column.title.toLowerCase()), "key"]),
    markdownLine([...COLUMNS.map((column) => (column.right ? "---:" : "---")), "---"]),
    ...rows.map(markdownLine),
  ];
}

/** A table of a stage: a line a row, a column a side. @param cell empty text where there is nothing to say */
export function markdownMatrix(stage: StageResult, cell: (row: RowResult, side: string) => string): string[] {
  const names = stage.sides.map((side) => side.name);
  const rows = stage.rows.map((row) => [row.title, ...names.map((name) => cell(row, name))]);
  const filled = rows.filter((cells) => cells.slice(1).some(Boolean));
  if (filled.length === 0) return [];
  return [
    markdownLine(["row", ...names]),
    markdownLine(["---", ...names.map(() => "---:")]),
    ...filled.map(markdownLine),
  ];
}
