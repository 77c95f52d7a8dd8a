/** `node scripts/results.js DIRECTORY`: of what KMEMFS_TEST_RESULTS named, the twenty slowest tests and all failures. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const COUNT = 20;
const [directory = ""] = process.argv.slice(2);
const read = (name) => {
  const path = join(directory, name);
  return existsSync(path) ? readFileSync(path, "utf8").split("\n").filter(Boolean) : [];
};
const slowest = read("times").sort((one, other) => Number.parseFloat(other) - Number.parseFloat(one));
console.log(`the ${Math.min(COUNT, slowest.length)} slowest tests, in seconds:`);
for (const line of slowest.slice(0, COUNT)) console.log(`  ${line}`);
const failures = read("failures");
if (failures.length > 0) console.log("what failed:");
for (const line of failures) console.log(`  ${line}`);
