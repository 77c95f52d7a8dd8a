/** One thread of the trial: every so-and-so-many-th unit. Posts a result for each. */
import { parentPort, workerData } from "node:worker_threads";
import { runUnit } from "./units.js";

export interface UnitsInput {
  readonly seed: number;
  readonly from: number;
  readonly step: number;
  readonly end: number;
}

export interface UnitOutput {
  readonly unit: number;
  readonly requests: number;
  readonly fault: string | null;
}

const { seed, from, step, end } = workerData as UnitsInput;
for (let unit = from; unit < end; unit += step) {
  const output: UnitOutput = { unit, ...runUnit(unit, seed) };
  parentPort?.postMessage(output);
  if (output.fault !== null) break;
}
