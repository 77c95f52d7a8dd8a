/**
 * A short form of `npm run trial:crash`: some runs of each scenario of the crash
 * simulator. `KMEMFS_SEED=<seed>` repeats them.
 */
import { describe, expect, it } from "vitest";
import { budget } from "../support/budget.js";
import { Random, seedOfRun } from "../support/random.js";
import { scenarios } from "../trials/crash/scenarios.js";

const seed = seedOfRun();
const RUNS = 2;

describe(`whatever a crash leaves keeps the promise (KMEMFS_SEED=${seed})`, () => {
  it.each(Object.entries(scenarios))("%s", (_name, run) => {
    for (let number = 0; number < budget(RUNS); number++) {
      let last = "";
      let states = 0;
      const note = (what: string): void => {
        last = what;
      };
      const count = (judged: number): void => {
        states = judged;
      };
      try {
        run(new Random(seed + number), note, count);
      } catch (cause) {
        throw new Error(`run ${number}, ${last}: ${(cause as Error).message}`, { cause });
      }
      expect(states).toBeGreaterThan(10);
    }
  });
});
