/** What a run tells people: on the terminal, and as bench/RESULTS.md. */
import { formatBytes } from "../src/cli/sizes.js";
import { cpuLines, latencyLines } from "./matrices.js";
import { RECORD_ROUNDS } from "./options.js";
import type { Results } from "./results.js";
import { summaryLines } from "./summary.js";
import { markdownTable, parted, type Section, sectionsOf, terminalTable } from "./table.js";
import { missedLines, unmeasuredLines, verdictLine } from "./verdicts.js";

/** Above this mean the figures are not to be relied on. */
const BUSY_LIMIT_PERCENT = 5;

function missingLines({ missing }: Pick<Section, "missing">): string[] {
  return missing.map(({ name, reason }) => `${name} was left out: ${reason.split("\n")[0]}`);
}

/** What other programs took of the CPUs between the rows, in percent. */
function othersPercent(results: Results): { mean: number; most: number } {
  const shares = results.stages.flatMap((stage) => stage.rows.map((row) => row.busyBefore * 100));
  const mean = shares.reduce((sum, share) => sum + share, 0) / Math.max(1, shares.length);
  return { mean: Math.round(mean), most: Math.round(Math.max(0, ...shares)) };
}

function busyLines(results: Results): string[] {
  const { mean, most } = othersPercent(results);
  if (mean <= BUSY_LIMIT_PERCENT) return [];
  return [`Other programs took ${mean} % of the CPUs between the rows, ${most} % at most: the figures are noisy.`];
}

/** All tables for the terminal. */
export function terminalLines(results: Results): string[] {
  const tables = sectionsOf(results).flatMap((section) => ["", section.title, ...terminalTable(section)]);
  const missed = missedLines(results).map((line) => `missed: ${line}`);
  const left = results.stages.flatMap((stage) => missingLines(stage));
  return [...tables, "", ...new Set(left), ...missed, verdictLine(results), ...busyLines(results)];
}

function machineLines(results: Results): string[] {
  const { machine } = results;
  const { mean, most } = othersPercent(results);
  const versions = Object.entries(machine.versions).map(([name, version]) => `- ${name}: ${version}`);
  return [
    `- ${machine.cpu}, ${machine.cores} CPUs, ${formatBytes(machine.memoryBytes)} of memory`,
    `- ${machine.system}, ${machine.kernel}, huge pages in tmpfs: ${machine.tmpfsHugePages}`,
    ...versions,
    `- other programs took ${mean} % of the CPUs between the rows, ${most} % at most`,
  ];
}

function sideLines(results: Results): string[] {
  const titles = new Map(results.stages.flatMap((stage) => stage.sides.map((side) => [side.name, side.title])));
  return [...titles].map(([name, title]) => `- \`${name}\`: ${title}`);
}

function methodLines({ sizeBytes, rounds, runtimeMs }: Results): string[] {
  return [
    `All sides of a table run at the same time, each with a disk of ${formatBytes(sizeBytes)}, written in full and warmed up before`,
    `the first row. A row has ${rounds} rounds; in each, every side is measured once, in turn, and the side that`,
    `begins changes. Loads are fio with direct=1, ${runtimeMs / 1000} s each, by psync unless a depth is stated. No data compress,`,
    "but those of `zram-half`: fio's and the tree's by half, the database's rows too. Some slow rows have 3 rounds.",
    "Figures are medians and ranges of the rounds. Ratios say how many times as good ours is as theirs, within a",
    "round: of rates ours / theirs, of times and latencies theirs / ours, so that more is better and a slow minute of",
    "the machine counts for both. A discard ends when the machine has the memory back. Resident memory is RssAnon +",
    "RssFile of the holder, the server and their children, file pages that they share counted twice. Sequential jobs",
    "have a part of the disk each. Trees and databases are on an ext4 of their own, made for each sample; deleting",
    "and fstrim follow in the same sample as unpacking. Pools of the program alone are files, or directories for",
    "direct, on tmpfs. With 16 and 64 GiB of address the same 65536 blocks are written as with 1 GiB, farther apart.",
  ];
}

function listOr(lines: readonly string[], otherwise: string): string[] {
  return lines.length === 0 ? [otherwise] : lines.map((line) => `- ${line}`);
}

function targetLines(results: Results): string[] {
  const open = unmeasuredLines(results);
  const notMeasured = open.length === 0 ? [] : ["", "Not measured:", "", ...listOr(open, "")];
  return [
    "## Targets",
    "",
    verdictLine(results),
    "",
    ...listOr(missedLines(results), "None is missed."),
    ...notMeasured,
  ];
}

/** What nobody would choose, but shows how far one can get. */
function yardstickLines(sections: readonly Section[]): string[] {
  if (sections.length === 0) return [];
  const tables = sections.flatMap((section) => [`### ${section.title}`, "", ...markdownTable(section), ""]);
  return ["## What can be had at the most", "", "Yardsticks, no products.", "", ...tables];
}

/** bench/RESULTS.md; `file` is the recorded run beside it. */
export function markdownPage(results: Results, file: string): string {
  const { products, yardsticks } = parted(results);
  const tables = products.flatMap((section) => [
    `## ${section.title}`,
    "",
    ...markdownTable(section),
    "",
    ...missingLines(section).flatMap((line) => [line, ""]),
  ]);
  return [
    "# Results of the benchmarks",
    "",
    `Written by \`${results.command}\` on ${results.date}; every sample is in [${file}](${file}).`,
    "One row again: `npm run bench -- --rows KEY`. Two runs: `bench/compare A.json B.json`.",
    "",
    ...summaryLines(results),
    "",
    "![How many times as good as each peer](results.svg)",
    "",
    ...targetLines(results),
    "",
    "## Machine and versions",
    "",
    ...machineLines(results),
    "",
    "## How it was measured",
    "",
    ...sideLines(results),
    "",
    ...methodLines(results),
    "",
    ...tables,
    ...yardstickLines(yardsticks),
    ...latencyLines(results),
    ...cpuLines(results),
    "## What is not measured",
    "",
    "Real DAX and persistent memory, more than one NUMA node, other kernels, file systems other than ext4, and a client",
    `under memory pressure. Fewer than ${RECORD_ROUNDS} rounds or a part of the rows is never recorded here.`,
    "",
  ].join("\n");
}
