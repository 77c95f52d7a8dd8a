/**
 * `npm run test:long`: what CI runs in a short form, for a night: the model tests with
 * 20 times the operations, all kernel tests in all combinations and both ways of data,
 * all trials, and a short benchmark against the last record. `npm run test:long -- NAME…`
 * runs those steps alone. Each is run, whatever became of the others; the last line names
 * those that failed.
 */
import { attempt } from "./run.js";
import { trials } from "./trials.js";

const MODEL_FACTOR = "20";
const only = process.argv.slice(2);
const failed = [];
const times = [];

function step(name, args, env = {}) {
  if (only.length > 0 && !only.includes(name)) return;
  console.log(`\n== ${name}`);
  const begunMs = performance.now();
  if (attempt(process.execPath, args, env) !== 0) failed.push(name);
  times.push(`${((performance.now() - begunMs) / 1000).toFixed(0).padStart(6)} s  ${name}`);
}

step("model", ["scripts/test.js", "unit", "test/model"], { KMEMFS_TEST_BUDGET: MODEL_FACTOR });
step("kernel", ["scripts/test.js", "kernel"], { KMEMFS_TEST_LONG: "1" });
step("bench", ["scripts/bench.js", "--quick"]);
for (const name of Object.keys(trials)) step(name, ["scripts/trial.js", name, "--long"]);
console.log(`\n${times.join("\n")}`);
console.log(failed.length === 0 ? "\nlong tests: all passed" : `\nlong tests: FAILED: ${failed.join(", ")}`);
process.exitCode = failed.length === 0 ? 0 : 1;
