/** What a run tells people: on the terminal, and as bench/RESULTS.md. */
import { formatBytes } from "../src/cli/sizes.js";
import { RECORD_ROUNDS } from "./options.js";
import type { Results } from "./results.js";
import { markdownTable, type Section, sectionsOf, terminalTable } from "./table.js";

/** Above this mean the figures are not to be relied on. */
const BUSY_LIMIT_PERCENT = 5;

function missingLines({ missing }: Section): string[] {
  return missing.map(({ name, reason }) => `${name} was left out: ${reason.split("\n")[0]}`);
}

function verdictLine(sections: readonly Section[]): string {
  const judged = sections.flatMap((section) => section.comparisons).filter((comparison) => comparison.target);
  const met = judged.filter((comparison) => comparison.target?.isMet).length;
  return `${met} of ${judged.length} targets met.`;
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
  const sections = sectionsOf(results);
  const tables = sections.flatMap((section) => [
    "",
    section.title,
    ...terminalTable(section),
    ...missingLines(section),
  ]);
  return [...tables, "", verdictLine(sections), ...busyLines(results)];
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

/** bench/RESULTS.md; `file` is the recorded run beside it. */
export function markdownPage(results: Results, file: string): string {
  const sections = sectionsOf(results);
  const tables = sections.flatMap((section) => [
    `## ${section.title}`,
    "",
    ...markdownTable(section),
    "",
    ...missingLines(section).flatMap((line) => [line, ""]),
  ]);
  const disk = formatBytes(results.sizeBytes);
  const seconds = results.runtimeMs / 1000;
  return [
    "# Results of the benchmarks",
    "",
    `Written by \`${results.command}\` on ${results.date}; every sample is in [${file}](${file}).`,
    `One row again: \`npm run bench -- --rows KEY\`. ${verdictLine(sections)}`,
    "",
    "## Machine and versions",
    "",
    ...machineLines(results),
    "",
    "## How it was measured",
    "",
    ...sideLines(results),
    "",
    `All sides of a table run at the same time, each with a disk of ${disk}, written in full and warmed up before`,
    `the first row. A row has ${results.rounds} rounds; in each, every side is measured once, in turn, and the side that`,
    `begins changes. Loads are fio's psync engine with direct=1, ${seconds} s each. Figures are medians and ranges of the`,
    "rounds; ratios are ours to theirs within a round, so that a slow minute of the machine counts for both.",
    "A discard ends when the machine's shared memory has shrunk. Resident memory is RssAnon + RssFile of the holder,",
    "the server and their children, file pages that they share counted twice. The empty pool is a file on tmpfs.",
    "",
    ...tables,
    "## What is not measured",
    "",
    "Real DAX and persistent memory, more than one NUMA node, other kernels, file systems on the disks, and a client",
    `under memory pressure. Fewer than ${RECORD_ROUNDS} rounds or a part of the rows is never recorded here.`,
    "",
  ].join("\n");
}
