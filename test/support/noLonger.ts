/** Times of the same thing with and without something: the machine's other load comes and goes, so one fast run is enough. */
import { expect } from "vitest";

const TRIES = 6;

export async function msOf(act: () => Promise<unknown>): Promise<number> {
  const before = performance.now();
  await act();
  return performance.now() - before;
}

/** One of a few runs takes less than `times` as long as `calmMs`; what must wait takes longer every time. */
export async function expectNoLonger(
  what: string,
  { times, calmMs }: { readonly times: number; readonly calmMs: number },
  act: () => Promise<unknown>,
): Promise<void> {
  const tookMs: number[] = [];
  while (tookMs.length < TRIES) {
    const ms = await msOf(act);
    if (ms < times * calmMs) return;
    tookMs.push(ms);
  }
  expect.fail(`${what}: ${tookMs.map(Math.round).join(", ")} ms each time, against ${Math.round(calmMs)}`);
}
