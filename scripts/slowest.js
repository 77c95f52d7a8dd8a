/** `node scripts/slowest.js FILE`: the twenty slowest tests of what KMEMFS_TEST_TIMES named. */
import { existsSync, readFileSync } from "node:fs";

const COUNT = 20;
const [path = ""] = process.argv.slice(2);
const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n").filter(Boolean) : [];
const slowest = lines.sort((one, other) => Number.parseFloat(other) - Number.parseFloat(one)).slice(0, COUNT);
console.log(`the ${slowest.length} slowest tests, in seconds:`);
for (const line of slowest) console.log(`  ${line}`);
