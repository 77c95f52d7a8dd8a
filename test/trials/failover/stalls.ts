/** What a steady reader saw of each kill: from its log and the moments of the kills. */

export interface Read {
  readonly begunMs: number;
  readonly tookMs: number;
}

export function parseReads(text: string): Read[] {
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => {
      const [begunMs = Number.NaN, tookMs = Number.NaN] = line.split(" ").map(Number);
      return { begunMs, tookMs };
    });
}

/**
 * For each kill the longest read that was under way at it, or began before the next.
 * @param killsMs in order, by the reader's clock
 */
export function stallsOf(reads: readonly Read[], killsMs: readonly number[]): number[] {
  return killsMs.map((killMs, i) => {
    const nextMs = killsMs[i + 1] ?? Number.POSITIVE_INFINITY;
    const seen = reads.filter(({ begunMs, tookMs }) => begunMs + tookMs >= killMs && begunMs < nextMs);
    return Math.max(0, ...seen.map(({ tookMs }) => tookMs));
  });
}
