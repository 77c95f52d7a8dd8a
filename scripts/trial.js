/**
 * `node scripts/trial.js NAME [arguments]`: builds the program and the trials, and
 * runs test/trials/NAME.ts; `--short` and `--long` stand for what scripts/trials.js says. Trials are long random tests with a budget: the crash
 * simulator, the fuzzers, the stress of threads, power cuts and kills. Node 20 does
 * not run TypeScript, so they are compiled to dist-trial/, with what they import.
 */
import { copyFileSync, existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { build, bundle, isCurrent } from "./build.js";
import { ensurePackages, guestPackages, testPackages } from "./debianPackages.js";
import { attempt, become, projectRoot } from "./run.js";
import { trials } from "./trials.js";

const compiled = join(projectRoot, "dist-trial");
/** These use real mounts, and the tools that the kernel tests use. */
const ofTheKernel = new Set([
  "powerCuts",
  "kills",
  "failover",
  "pauses",
  "syscalls",
  "stops",
  "pressure",
  "plantedBugs",
]);

async function buildTrials() {
  const sources = [
    "src",
    "test/trials",
    "test/support",
    "test/protocol/support",
    "bench/craftedPool.ts",
    "tsconfig.trial.json",
    "scripts/build.js",
  ];
  if (isCurrent(compiled, "test/trials/arguments.js", sources)) return 0;
  rmSync(compiled, { recursive: true, force: true });
  const status = attempt("node_modules/.bin/tsc", ["-p", "tsconfig.trial.json", "--noEmitOnError"]);
  if (status !== 0) return status;
  // Trials run kmemfs from there, which says its version.
  copyFileSync(join(projectRoot, "package.json"), join(compiled, "package.json"));
  await bundle(compiled);
  return 0;
}

const [name, ...given] = process.argv.slice(2);
const args = given.flatMap((arg) => {
  if (arg !== "--short" && arg !== "--long") return [arg];
  return trials[name]?.[arg.slice(2)] ?? [];
});
if (name === undefined || !existsSync(join(projectRoot, "test/trials", `${name}.ts`))) {
  console.error(`trial: no trial of that name: ${name}; test/trials has them`);
  process.exitCode = 2;
} else {
  if (ofTheKernel.has(name)) ensurePackages(testPackages);
  if (name === "dax") ensurePackages([...testPackages, ...guestPackages]);
  const status = (await build({ ifNeeded: true })) || (await buildTrials());
  const PATH = `${process.env.PATH ?? ""}:/usr/sbin:/sbin`;
  if (status === 0) become(process.execPath, [join(compiled, "test/trials", `${name}.js`), ...args], { PATH });
  else process.exitCode = status;
}
