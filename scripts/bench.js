/**
 * `npm run bench`: builds the program and the benchmarks, and runs bench/run.ts.
 * Node 20 does not run TypeScript, so bench/ is compiled to dist-bench/, with
 * what it imports. It runs in the top directory of the project. Arguments are passed on.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "./build.js";
import { attempt, become, projectRoot } from "./run.js";

const compiled = join(projectRoot, "dist-bench");

function buildBench() {
  rmSync(compiled, { recursive: true, force: true });
  return attempt("node_modules/.bin/tsc", ["-p", "tsconfig.bench.json", "--noEmitOnError"]);
}

const status = (await build()) || buildBench();
const PATH = `${process.env.PATH ?? ""}:/usr/sbin:/sbin`;
if (status === 0) become(process.execPath, [join(compiled, "bench/run.js"), ...process.argv.slice(2)], { PATH });
else process.exitCode = status;
