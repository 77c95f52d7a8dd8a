/** A short run against the last record: whether a ratio of ours to a peer has fallen in every round. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Form, Results, RowResult, StageResult } from "./results.js";
import { roundRatios, spreadOf } from "./statistics.js";
import { formatRatio } from "./table.js";

/** A ratio below this part of the record's, in each of so many rounds or more, has fallen. */
const FALLEN_BELOW = 0.85;
const LEAST_ROUNDS = 3;

export interface Fallen {
  readonly key: string;
  readonly side: string;
  readonly peer: string;
  /** The record's median. */
  readonly recorded: number;
  /** One a round. */
  readonly ratios: readonly number[];
  /** What other programs took of the CPUs before the row, 0 to 1: then and now. */
  readonly busy: readonly [then: number, now: number];
}

const valuesOf = (row: RowResult | undefined, side: string): number[] =>
  (row?.samples[side] ?? []).map((sample) => sample.value);

function ratiosOn(row: RowResult | undefined, side: string, peer: string): number[] {
  const [ours, theirs] = [valuesOf(row, side), valuesOf(row, peer)];
  return row === undefined || ours.length === 0 || theirs.length === 0 ? [] : roundRatios(ours, theirs, row.unit);
}

function fallenOn(row: RowResult, old: RowResult, { sides }: StageResult): Fallen[] {
  const pairs = sides
    .filter((side) => !side.isPeer)
    .flatMap((side) => sides.filter((peer) => peer.isPeer).map((peer) => [side.name, peer.name] as const));
  return pairs.flatMap(([side, peer]) => {
    const [then, ratios] = [ratiosOn(old, side, peer), ratiosOn(row, side, peer)];
    if (then.length === 0 || ratios.length < LEAST_ROUNDS) return [];
    const recorded = spreadOf(then).median;
    const isFallen = ratios.every((ratio) => ratio < FALLEN_BELOW * recorded);
    return isFallen ? [{ key: row.key, side, peer, recorded, ratios, busy: [old.busyBefore, row.busyBefore] }] : [];
  });
}

/** The ratios that have fallen, of what both have measured. */
export function fallenRatios(record: readonly StageResult[], now: readonly StageResult[]): Fallen[] {
  return now.flatMap((stage) => {
    const rows = record.find((one) => one.name === stage.name)?.rows ?? [];
    return stage.rows.flatMap((row) => {
      const old = rows.find((one) => one.key === row.key && one.unit === row.unit);
      return old === undefined ? [] : fallenOn(row, old, stage);
    });
  });
}

const percent = (share: number): string => `${Math.round(share * 100)} %`;

function fallenLine({ key, side, peer, recorded, ratios, busy: [then, now] }: Fallen): string {
  const rounds = ratios.map(formatRatio).join(", ");
  const busy = `other programs took ${percent(now)} of the CPUs, at the record ${percent(then)}`;
  return `fallen: ${side}, ${key} against ${peer}: ${rounds} ×, the record says ${formatRatio(recorded)} × (${busy})`;
}

function isSameForm(one: Form, other: Form): boolean {
  return one.sizeBytes === other.sizeBytes && one.runtimeMs === other.runtimeMs;
}

export interface Judgement {
  readonly lines: readonly string[];
  readonly isWorse: boolean;
}

/** What has fallen in both: what slows a side down for a while seldom comes twice. */
function fallenTwice(first: readonly Fallen[], second: readonly Fallen[]): Fallen[] {
  const isSame = (one: Fallen, other: Fallen): boolean =>
    one.key === other.key && one.side === other.side && one.peer === other.peer;
  return second.filter((fallen) => first.some((other) => isSame(fallen, other)));
}

/**
 * Holds a short run against the record in `file`, which must have been measured in the same form too.
 * @param measureAgain measures the rows of these keys once more: what has fallen must fall again
 */
export async function judge(
  file: string,
  record: Results,
  now: Results,
  measureAgain: (keys: readonly string[]) => Promise<readonly StageResult[]>,
): Promise<Judgement> {
  const open = (reason: string): Judgement => ({ lines: [`Not compared with ${file}: ${reason}.`], isWorse: false });
  if (record.quick === undefined) return open("it has no figures of the short form");
  if (!isSameForm(record.quick, now)) return open("the disks' sizes or the loads' times differ");
  if (now.rounds < LEAST_ROUNDS) return open(`it takes ${LEAST_ROUNDS} rounds`);
  const first = fallenRatios(record.quick.stages, now.stages);
  const keys = [...new Set(first.map(({ key }) => key))];
  const second = keys.length === 0 ? [] : fallenRatios(record.quick.stages, await measureAgain(keys));
  const fallen = fallenTwice(first, second);
  const isSameMachine = record.machine.cpu === now.machine.cpu && record.machine.kernel === now.machine.kernel;
  const found = `Ratios below ${FALLEN_BELOW} of those of ${file} in every round: ${fallen.length || "none"}.`;
  const machines = isSameMachine ? [] : ["The machines or kernels differ."];
  return { lines: [...fallen.map(fallenLine), found, ...machines], isWorse: fallen.length > 0 };
}

/** The newest recorded run in `directory`, if there is one: names are dates. */
export function lastRecord(directory: string): string | undefined {
  const names = existsSync(directory) ? readdirSync(directory).filter((name) => name.endsWith(".json")) : [];
  const newest = names.sort().at(-1);
  return newest && join(directory, newest);
}
