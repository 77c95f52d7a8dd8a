/** How every command refuses: one line with the cause, `try:` where there is a cure, an exit code, nothing left. */
import { expect } from "vitest";
import type { Place } from "./place.js";
import type { RunOptions, RunResult } from "./processes.js";

export interface Refusal {
  readonly args: readonly string[];
  readonly cause: RegExp;
  /** Absent: 1. */
  readonly code?: number;
  /** False where there is nothing to try. Absent: there is a cure. */
  readonly cure?: RegExp | false;
  readonly options?: RunOptions;
}

/** The form of an answer that refuses. */
export function expectRefusal(result: RunResult, refusal: Omit<Refusal, "args">): void {
  const { cause, code = 1, cure = /./ } = refusal;
  const lines = result.stderr.replace(/\n$/, "").split("\n");
  expect(lines[0]).toMatch(/^kmemfs: .+/);
  expect(lines[0]).toMatch(cause);
  expect(lines.slice(1)).toEqual(cure === false ? [] : [expect.stringMatching(/^try: /)]);
  if (cure !== false) expect(lines[1]).toMatch(cure);
  expect([result.status, result.stdout]).toEqual([code, ""]);
}

/** Runs a command that must be refused, and sees that nothing is left of it. */
export async function expectRefused(place: Place, refusal: Refusal): Promise<void> {
  const result = await place.refused(refusal.args, refusal.options);
  try {
    expectRefusal(result, refusal);
    await place.expectNothingLeft();
  } catch (error) {
    (error as Error).message = `kmemfs ${refusal.args.join(" ")}: ${(error as Error).message}`;
    throw error;
  }
}
