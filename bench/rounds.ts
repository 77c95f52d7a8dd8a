/** Both sides in turn: each round measures every side once. */

/**
 * Calls `measure` for every side in every round, one after the other. The side
 * that begins changes with the round, so that none always comes first.
 * @returns each side's samples, in the order of the rounds
 */
export async function inTurn<Side, Sample>(
  sides: readonly Side[],
  rounds: number,
  measure: (side: Side, round: number) => Promise<Sample>,
): Promise<Map<Side, Sample[]>> {
  const samples = new Map<Side, Sample[]>(sides.map((side) => [side, []]));
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < sides.length; turn++) {
      const side = sides[(round + turn) % sides.length]!;
      samples.get(side)!.push(await measure(side, round));
    }
  }
  return samples;
}
