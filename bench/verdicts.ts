/** Which targets are met, missed or were not measured. */
import { unmeasured } from "./comparison.js";
import type { Results } from "./results.js";
import { formatFigure, formatLimit, formatRatio, type Section, sectionsOf } from "./table.js";

const judgedOf = (sections: readonly Section[]) =>
  sections.flatMap((section) => section.comparisons).filter((comparison) => comparison.target);

/** How many of the targets are met, in a sentence. */
export function verdictLine(results: Results): string {
  const judged = judgedOf(sectionsOf(results));
  const met = judged.filter((comparison) => comparison.target?.isMet).length;
  const open = unmeasured(results).length;
  return `${met} of ${judged.length} targets met${open === 0 ? "" : `, ${open} not measured`}.`;
}

/** A line for each target that is missed: side, row, peer, figure and limit. */
export function missedLines(results: Results): string[] {
  const missed = judgedOf(sectionsOf(results)).filter((comparison) => !comparison.target?.isMet);
  return missed.map(({ row, side, ours, peer, target }) => {
    const figure = peer ? `${formatRatio(peer.ratio.median)} ×` : formatFigure(ours.median, row.unit);
    const against = peer ? ` against ${peer.name}` : "";
    return `${side}, ${row.key}${against}: ${figure}, wanted ${formatLimit(target!.limit, row.unit, peer !== undefined)}`;
  });
}

/** The sides and rows whose targets nothing was measured for, in short. */
export function unmeasuredLines(results: Results): string[] {
  const bySide = new Map<string, Set<string>>();
  for (const { side, row } of unmeasured(results)) bySide.set(side, (bySide.get(side) ?? new Set()).add(row));
  return [...bySide].map(([side, rows]) => `${side}: ${[...rows].join(" ")}`);
}
