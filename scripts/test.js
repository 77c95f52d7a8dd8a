/**
 * `npm test`: installs what the kernel tests need, builds, runs the tests.
 * `node scripts/test.js [unit|kernel|kernel-served|kernel-direct] [arguments of vitest run]`
 */
import { build } from "./build.js";
import { ensurePackages, testPackages } from "./debianPackages.js";
import { become } from "./run.js";

const projects = {
  unit: "unit",
  kernel: "kernel-*",
  "kernel-served": "kernel-served",
  "kernel-direct": "kernel-direct",
};
const [first, ...others] = process.argv.slice(2);
const args = Object.hasOwn(projects, first) ? ["--project", projects[first], ...others] : process.argv.slice(2);

if (first !== "unit") ensurePackages(testPackages);
const status = build();
// Users' PATH often lacks sbin, where mkfs and losetup are.
const PATH = `${process.env.PATH ?? ""}:/usr/sbin:/sbin`;
if (status === 0) become("node_modules/.bin/vitest", ["run", ...args], { PATH });
else process.exitCode = status;
