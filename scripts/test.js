/**
 * `npm test`: installs what the kernel tests need, builds, runs the tests.
 * `node scripts/test.js [unit|kernel] [arguments of vitest run]`
 * As root, the lanes of the kernel tests run beside each other: most of their time they wait.
 */
import { randomBytes } from "node:crypto";
import { build } from "./build.js";
import { ensurePackages, testPackages } from "./debianPackages.js";
import { runLanes } from "./lanes.js";
import { attempt, become } from "./run.js";

const VITEST = "node_modules/.bin/vitest";
const projects = { unit: "unit", kernel: "kernel-*" };
/** Projects of vitest, by test/support/ways.ts. */
const LANES = ["served", "direct", "served-turns", "direct-turns"];
const [first, ...others] = process.argv.slice(2);
const isProject = Object.hasOwn(projects, first);
const args = isProject ? ["--project", projects[first], ...others] : process.argv.slice(2);

/** Each in a mount namespace with a /run of its own: none sees another's mounts, records and locks. */
async function runKernelLanes(env, others) {
  const mark = process.env.KMEMFS_TEST_RUN ?? randomBytes(6).toString("hex");
  const line = 'mount -t tmpfs -o mode=755 tmpfs /run && exec "$0" "$@"';
  const lane = (name, i) => ({
    name,
    command: "unshare",
    args: ["-m", "--propagation", "private", "sh", "-c", line, VITEST, "run", "--project", `kernel-${name}`, ...others],
    env: { ...env, KMEMFS_TEST_RUN: `${mark}${i}` },
  });
  // A name of a file is in some lanes only, and vitest fails where it finds none.
  return runLanes((others.length > 0 ? ["*"] : LANES).map(lane));
}

if (first !== "unit") ensurePackages(testPackages);
const status = await build();
// Users' PATH often lacks sbin, where mkfs and losetup are.
const env = { PATH: `${process.env.PATH ?? ""}:/usr/sbin:/sbin` };
if (status !== 0) process.exitCode = status;
else if (
  (first === undefined || first === "kernel") &&
  process.getuid?.() === 0 &&
  attempt("unshare", ["-m", "true"]) === 0
) {
  const unit = first === undefined ? attempt(VITEST, ["run", "--project", "unit"], env) : 0;
  process.exitCode = (await runKernelLanes(env, others)) || unit;
} else become(VITEST, ["run", ...args], env);
