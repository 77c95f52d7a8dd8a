/** Rows made of what was measured along with others, e.g. `file/randread-4k-qd1:p50`. */
import type { RowResult, StageResult } from "./results.js";
import type { Unit } from "./rows/row.js";

type Details = Readonly<Record<string, number>>;

interface Derivation {
  /** Stands behind the colon of the key. */
  readonly name: string;
  readonly title: string;
  readonly unit: Unit;
  /** NaN where a sample lacks what it takes. */
  readonly of: (details: Details) => number;
}

const GIB = 2 ** 30;
const MILLION = 1e6;
const detail =
  (name: string) =>
  (details: Details): number =>
    details[name] ?? Number.NaN;
const share =
  (what: string, among: string, each: number) =>
  (details: Details): number =>
    (detail(what)(details) / detail(among)(details)) * each;

export const DERIVATIONS: readonly Derivation[] = [
  { name: "p50", title: "median latency", unit: "us", of: detail("p50Us") },
  { name: "p99", title: "p99 latency", unit: "us", of: detail("p99Us") },
  { name: "p999", title: "p99.9 latency", unit: "us", of: detail("p999Us") },
  { name: "cpu-gib", title: "CPU seconds a GiB", unit: "s", of: share("busySeconds", "bytes", GIB) },
  {
    name: "cpu-million",
    title: "CPU seconds a million requests",
    unit: "s",
    of: share("busySeconds", "requests", MILLION),
  },
  {
    name: "process-million",
    title: "CPU seconds of its processes a million requests",
    unit: "s",
    of: share("processSeconds", "requests", MILLION),
  },
  { name: "delete", title: "deleting it, and sync", unit: "s", of: detail("deleteSeconds") },
  { name: "trim", title: "fstrim then", unit: "s", of: detail("trimSeconds") },
  { name: "version", title: "kmemfs --version", unit: "×", of: detail("version") },
  { name: "status", title: "kmemfs status", unit: "×", of: detail("status") },
  { name: "mount", title: "kmemfs mount", unit: "×", of: detail("mount") },
  { name: "down", title: "kmemfs down", unit: "×", of: detail("down") },
  { name: "no-spare", title: "without a spare", unit: "bytes", of: detail("noSpareBytes") },
  { name: "ten", title: "of ten disks", unit: "bytes", of: detail("tenBytes") },
  { name: "over-empty", title: "over that of an empty one", unit: "×", of: detail("overEmpty") },
];

/** The part of a key that names a row that is measured. */
export function measuredKey(key: string): string {
  return key.split(":")[0]!;
}

function derive(row: RowResult, derivation: Derivation): RowResult | undefined {
  const sides = Object.entries(row.samples).map(([side, samples]): [string, { value: number }[]] => [
    side,
    samples.map((sample) => ({ value: derivation.of(sample.details ?? {}) })),
  ]);
  const whole = sides.filter(([, samples]) => samples.every(({ value }) => Number.isFinite(value)));
  if (whole.length === 0) return undefined;
  return {
    ...row,
    key: `${row.key}:${derivation.name}`,
    title: `${row.title}: ${derivation.title}`,
    unit: derivation.unit,
    samples: Object.fromEntries(whole),
  };
}

/** The row that a key with a colon names, or nothing when its details were not measured. */
export function derivedRow(stage: StageResult, key: string): RowResult | undefined {
  const row = stage.rows.find((one) => one.key === measuredKey(key));
  const derivation = DERIVATIONS.find((one) => key === `${row?.key}:${one.name}`);
  return row && derivation && derive(row, derivation);
}
