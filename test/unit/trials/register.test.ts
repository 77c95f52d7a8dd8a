/** The linearizability check against one that tries every order of a small history. */
import { describe, expect, it } from "vitest";
import { Random, seedOfRun } from "../../support/random.js";
import { MAYBE, READ, WRITE } from "../../trials/stress/history.js";
import { Register } from "../../trials/stress/register.js";

interface Operation {
  readonly slot: number;
  readonly kind: number;
  readonly value: number;
  readonly begun: number;
  ended: number;
}

const THREADS = 3;

/** Tries every order that keeps to the times. `last` is what the register holds afterwards. */
function hasOrder(operations: readonly Operation[], value: number, last: number): boolean {
  if (operations.length === 0) return value === last;
  return operations.some((one) => {
    if (operations.some((other) => other.ended < one.begun)) return false;
    const rest = operations.filter((other) => other !== one);
    if (one.kind === READ) return one.value === value && hasOrder(rest, value, last);
    return hasOrder(rest, one.value, last) || (one.kind === MAYBE && hasOrder(rest, value, last));
  });
}

function decide(operations: readonly Operation[], last: number): boolean {
  const register = new Register();
  register.start(0);
  const events = operations.flatMap((one) => [
    { at: one.begun, one, ends: false },
    { at: one.ended, one, ends: true },
  ]);
  events.sort((a, b) => a.at - b.at);
  for (const { one, ends } of events) {
    if (!ends) register.begin(one.slot, one.kind, one.value);
    else if (!register.end(one.slot)) return false;
  }
  return register.mayHold(last);
}

/** Values repeat, as the zeros of discards do; reads see any of them, so about half of the histories are wrong. */
function randomHistory(random: Random): Operation[] {
  const operations: Operation[] = [];
  const open: (Operation | undefined)[] = new Array(THREADS).fill(undefined);
  const length = 2 + random.below(6);
  for (let at = 0; operations.length < length || open.some((one) => one !== undefined); at++) {
    const slot = random.below(THREADS);
    const one = open[slot];
    if (one !== undefined) {
      one.ended = at;
      open[slot] = undefined;
    } else if (operations.length < length) {
      const kind = random.pick([READ, READ, WRITE, WRITE, MAYBE]);
      const made = { slot, kind, value: random.below(3), begun: at, ended: Infinity };
      operations.push(made);
      open[slot] = made;
    }
  }
  return operations;
}

const seed = seedOfRun();

describe(`a register's history (KMEMFS_SEED=${seed})`, () => {
  it("is refused exactly when no order explains it", () => {
    const random = new Random(seed);
    const verdicts = [0, 0];
    for (let i = 0; i < 20_000; i++) {
      const operations = randomHistory(random);
      const last = random.below(3);
      const expected = hasOrder(operations, 0, last);
      expect(decide(operations, last), JSON.stringify({ operations, last })).toBe(expected);
      verdicts[expected ? 1 : 0]++;
    }
    expect(Math.min(...verdicts)).toBeGreaterThan(1000);
  });
});
