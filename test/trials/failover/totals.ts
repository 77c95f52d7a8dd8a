/** The figures of many sessions, and of pauses. */
import type { SessionFigures } from "./session.js";

export class Totals {
  kills = 0;
  early = 0;
  replaced = 0;
  fioRuns = 0;
  trims = 0;
  commits = 0;
  readonly pausesMs: number[] = [];

  add(figures: SessionFigures): void {
    this.kills += figures.kills;
    this.early += figures.early;
    this.replaced += figures.replaced;
    this.fioRuns += figures.fioRuns;
    this.trims += figures.trims;
    this.commits += figures.commits;
    this.pausesMs.push(...figures.pausesMs);
  }
}

/** @param part 0.5 for the median, 1 for the largest; 0 of nothing */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? 0;
}

export function describe({ kills, early, replaced, fioRuns, trims, commits, pausesMs }: Totals): string {
  const [median, worst] = [0.5, 1].map((part) => quantile(pausesMs, part).toFixed(0));
  return (
    `${kills} kills (${early} of a server that did not serve yet), ${replaced} replaced in order, ${fioRuns} runs of fio, ${trims} of fstrim, ` +
    `${commits} commits; nobody served for ${median} ms (median), ${worst} ms (worst)`
  );
}
