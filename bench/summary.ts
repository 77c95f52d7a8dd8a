/** What a user wants to know first: kmemfs beside what could be taken instead, by what is done with it. */
import type { Results, RowResult } from "./results.js";
import { ratiosOf, spreadOf } from "./statistics.js";
import { formatFigure, formatRatio, markdownLine } from "./table.js";

interface Task {
  readonly title: string;
  /** The rows that tell: of each peer the first on which it was measured. */
  readonly rows: readonly string[];
}

const onDevice = (title: string, name: string): Task => ({ title, rows: [`loop/${name}`, `file/${name}`] });
const onFiles = (title: string, name: string): Task => ({ title, rows: [`files/${name}`] });

const TASKS: readonly Task[] = [
  onDevice("4 KiB random reads", "randread-4k-j8"),
  onDevice("4 KiB random writes", "randwrite-4k-j8"),
  onDevice("large reads", "read-1m-j4"),
  onDevice("large writes", "write-1m-j4"),
  onDevice("first writes", "first-write-1m"),
  onDevice("discard", "discard"),
  onFiles("unpacking a tree", "tree-unpack"),
  onFiles("SQLite", "sqlite-insert"),
  onFiles("PostgreSQL", "postgres"),
  onFiles("`npm ci`", "npm-ci"),
];

const OURS = ["kmemfs-direct", "kmemfs-served"];
/** What a user could take instead, and whether it has processes of its own. */
const PEERS = [
  { name: "loop", title: "loop on tmpfs", hasProcess: false },
  { name: "zram", title: "zram", hasProcess: false },
  { name: "zram-half", title: "zram, compressible data", hasProcess: false },
  { name: "tmpfs", title: "tmpfs, no device", hasProcess: false },
  { name: "nbdfuse", title: "nbdfuse", hasProcess: true },
  { name: "qemu", title: "qemu", hasProcess: true },
] as const;
type PeerName = (typeof PEERS)[number]["name"];

const valuesOf = (row: RowResult, side: string): number[] => (row.samples[side] ?? []).map((sample) => sample.value);

function rowsOf(results: Results, keys: readonly string[]): RowResult[] {
  const all = results.stages.flatMap((stage) => stage.rows);
  return keys.flatMap((key) => all.find((row) => row.key === key) ?? []);
}

/** How many times as good `side` is, or nothing where both were not measured on one row. */
function ratioOf(results: Results, { rows }: Task, side: string, peer: string): number | undefined {
  const row = rowsOf(results, rows).find((one) => one.samples[side] && one.samples[peer]);
  return row && ratiosOf(valuesOf(row, side), valuesOf(row, peer), row.unit).median;
}

/** The figures of our two ways, as one cell. */
const pair = (texts: readonly (string | undefined)[]): string =>
  texts.some(Boolean) ? texts.map((text) => text ?? "-").join(" / ") : "";

function figures(results: Results, keys: readonly string[]): string {
  const texts = OURS.map((side) => {
    const row = rowsOf(results, keys).find((one) => one.samples[side]);
    return row && formatFigure(spreadOf(valuesOf(row, side)).median, row.unit);
  });
  return pair(texts);
}

function taskLine(results: Results, task: Task): string {
  const ratios = PEERS.map(({ name }) => {
    const both = OURS.map((side) => ratioOf(results, task, side, name));
    return pair(both.map((ratio) => (ratio === undefined ? undefined : formatRatio(ratio))));
  });
  return markdownLine([task.title, figures(results, task.rows), ...ratios]);
}

/** Within this of 1 neither is better. */
const EVEN = 0.05;

/** At what `peer` is better or worse than the better of our ways, and how many times. */
function wordsOn(results: Results, peer: PeerName): string {
  const judged = TASKS.flatMap((task) => {
    const ratios = OURS.flatMap((side) => ratioOf(results, task, side, peer) ?? []);
    return ratios.length === 0 ? [] : [{ title: task.title, theirs: 1 / Math.max(...ratios) }];
  });
  const listed = (list: typeof judged): string =>
    list.length === 0 ? "nothing" : list.map(({ title, theirs }) => `${title} (${formatRatio(theirs)} ×)`).join(", ");
  const better = judged.filter(({ theirs }) => theirs > 1 + EVEN).sort((one, other) => other.theirs - one.theirs);
  const worse = judged.filter(({ theirs }) => theirs < 1 - EVEN).sort((one, other) => one.theirs - other.theirs);
  return judged.length === 0 ? "not measured" : `better at ${listed(better)}; worse at ${listed(worse)}`;
}

function memoryLine(results: Results): string {
  const cells = PEERS.map(({ hasProcess }) => (hasProcess ? "" : "no process"));
  return markdownLine(["memory of the processes of an idle disk", figures(results, ["pool/idle-memory"]), ...cells]);
}

/** The opening of the page. */
export function summaryLines(results: Results): string[] {
  return [
    "How many times as good as each the direct / the served way is; above 1 kmemfs is better. Under a loop device, as",
    "`kmemfs up` has it; against nbdfuse and qemu on the file. Trees and databases are on ext4.",
    "",
    markdownLine(["", "kmemfs", ...PEERS.map(({ title }) => title)]),
    markdownLine(["---", "---:", ...PEERS.map(() => "---:")]),
    ...TASKS.filter(({ rows }) => figures(results, rows) !== "").map((task) => taskLine(results, task)),
    memoryLine(results),
    "",
    "When another is the better choice, against the better of the two ways:",
    "",
    `- zram, a device of compressed memory. With data that do not compress it is ${wordsOn(results, "zram")}.`,
    `- zram with data that compress by half, which take half the memory there: ${wordsOn(results, "zram-half")}.`,
    `- tmpfs, where files will do and no device is needed: ${wordsOn(results, "tmpfs")}.`,
  ];
}
