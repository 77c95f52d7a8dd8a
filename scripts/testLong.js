/**
 * `npm run test:long`: what CI runs in a short form, for a night. The model tests and
 * the trials with KMEMFS_TEST_BUDGET (20 unless set) times what CI does. Each is run,
 * whatever became of the others; the last line names those that failed.
 */
import { attempt } from "./run.js";

const factor = Number(process.env.KMEMFS_TEST_BUDGET ?? "20");
/** What CI gives to `--count`. */
const trials = {
  crash: 1_000_000,
  pools: 600_000,
  requests: 2_000_000,
  stress: 5_000_000,
  powerCuts: 50,
  kills: 200,
  failover: 500,
  stops: 5,
};
/** Those that are as long as they are, whatever the factor. */
const whole = [["syscalls"], ["pauses", "--count", "100"], ["pressure", "--seconds", "300"]];

const failed = [];

function step(name, args, env = {}) {
  console.log(`\n== ${name}`);
  if (attempt(process.execPath, args, env) !== 0) failed.push(name);
}

step("model tests", ["scripts/test.js", "unit", "test/model"], { KMEMFS_TEST_BUDGET: String(factor) });
step("planted bugs", ["scripts/trial.js", "plantedBugs"]);
for (const [name, count] of Object.entries(trials)) {
  step(name, ["scripts/trial.js", name, "--count", String(Math.ceil(count * factor))]);
}
for (const [name, ...args] of whole) step(name, ["scripts/trial.js", name, ...args]);
for (const name of ["pools", "requests", "stress"]) {
  step(`${name}: planted bugs`, ["scripts/trial.js", name, "--planted"]);
}
console.log(failed.length === 0 ? "\nlong tests: all passed" : `\nlong tests: FAILED: ${failed.join(", ")}`);
process.exitCode = failed.length === 0 ? 0 : 1;
