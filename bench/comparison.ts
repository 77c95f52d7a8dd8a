/** From samples to ratios and verdicts. */
import { derivedRow } from "./derived.js";
import type { Results, RowResult, StageResult } from "./results.js";
import { isMoreBetter, ratiosOf, type Spread, spreadOf } from "./statistics.js";
import { type Limit, meets, type Target, targetOf, targets } from "./targets.js";

/** One of our sides on a row, against one peer or alone. */
export interface Comparison {
  readonly row: RowResult;
  readonly side: string;
  readonly ours: Spread;
  readonly peer?: { readonly name: string; readonly figure: Spread; readonly ratio: Spread };
  readonly target?: { readonly limit: Limit; readonly isMet: boolean };
}

function figuresOf(row: RowResult, side: string): number[] {
  return (row.samples[side] ?? []).map((sample) => sample.value);
}

/** The figure that a limit is held against: the median, or the worst of the rounds. */
function judgedFigure(limit: Limit, { median, min, max }: Spread, isRatio: boolean, row: RowResult): number {
  if (!limit.inEveryRound) return median;
  return isRatio || isMoreBetter(row.unit) ? min : max;
}

function compare(row: RowResult, side: string, peer: string | undefined): Comparison {
  const ours = figuresOf(row, side);
  const theirs = peer === undefined ? [] : figuresOf(row, peer);
  const rival =
    peer === undefined ? undefined : { name: peer, figure: spreadOf(theirs), ratio: ratiosOf(ours, theirs, row.unit) };
  const limit = targetOf(row.key, side, peer)?.limit;
  const judged = limit && judgedFigure(limit, rival?.ratio ?? spreadOf(ours), rival !== undefined, row);
  return {
    row,
    side,
    ours: spreadOf(ours),
    ...(rival === undefined ? {} : { peer: rival }),
    ...(limit === undefined ? {} : { target: { limit, isMet: meets(limit, judged!) } }),
  };
}

/** Of derived rows only what has a target is compared; the others have tables of their own. */
function derivedComparisons(stage: StageResult, row: RowResult, side: string): Comparison[] {
  const chosen = targets.filter((target) => target.side === side && target.row.startsWith(`${row.key}:`));
  return chosen.flatMap((target) => {
    const derived = derivedRow(stage, target.row);
    const names = target.peer === undefined ? [side] : [side, target.peer];
    return derived && names.every((name) => derived.samples[name]) ? [compare(derived, side, target.peer)] : [];
  });
}

/** True for a limit on our own figure, although peers have one too. */
function isJudgedAlone(row: RowResult, side: string): boolean {
  return targetOf(row.key, side, undefined) !== undefined;
}

/** Every row of `side` in a stage: one comparison a peer, or one alone where no peer was measured. */
export function comparisonsOf(stage: StageResult, side: string): Comparison[] {
  const peers = stage.sides.filter((other) => other.isPeer).map((other) => other.name);
  return stage.rows
    .filter((row) => row.samples[side] !== undefined)
    .flatMap((row) => {
      const rivals = peers.filter((peer) => row.samples[peer] !== undefined);
      const alone = rivals.length === 0 || isJudgedAlone(row, side) ? [compare(row, side, undefined)] : [];
      return [...alone, ...rivals.map((peer) => compare(row, side, peer)), ...derivedComparisons(stage, row, side)];
    });
}

/** The targets that nothing was measured for: a side is missing, or the row was not chosen. */
export function unmeasured(results: Results): Target[] {
  const judged = results.stages.flatMap((stage) =>
    stage.sides.filter((side) => !side.isPeer).flatMap((side) => comparisonsOf(stage, side.name)),
  );
  const isJudged = (target: Target): boolean =>
    judged.some(({ row, side, peer }) => row.key === target.row && side === target.side && peer?.name === target.peer);
  return targets.filter((target) => !isJudged(target));
}
