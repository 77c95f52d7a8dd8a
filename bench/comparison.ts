/** From samples to ratios and verdicts. */
import type { RowResult, StageResult } from "./results.js";
import { ratiosOf, type Spread, spreadOf } from "./statistics.js";
import { type Limit, meets, targetOf } from "./targets.js";

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

function compare(row: RowResult, side: string, peer: string | undefined): Comparison {
  const ours = figuresOf(row, side);
  const theirs = peer === undefined ? [] : figuresOf(row, peer);
  const rival =
    peer === undefined ? undefined : { name: peer, figure: spreadOf(theirs), ratio: ratiosOf(ours, theirs) };
  const limit = targetOf(row.key, side, peer)?.limit;
  const judged = rival?.ratio.median ?? spreadOf(ours).median;
  return {
    row,
    side,
    ours: spreadOf(ours),
    ...(rival === undefined ? {} : { peer: rival }),
    ...(limit === undefined ? {} : { target: { limit, isMet: meets(limit, judged) } }),
  };
}

/** Every row of `side` in a stage: one comparison a peer, or one alone where no peer was measured. */
export function comparisonsOf(stage: StageResult, side: string): Comparison[] {
  const peers = stage.sides.filter((other) => other.isPeer).map((other) => other.name);
  return stage.rows.flatMap((row) => {
    const rivals = peers.filter((peer) => row.samples[peer] !== undefined);
    return rivals.length === 0 ? [compare(row, side, undefined)] : rivals.map((peer) => compare(row, side, peer));
  });
}
