/**
 * Compiles src/ to dist/. A fresh directory is compiled and then takes dist's
 * place, so that nothing stale stays, a failed build leaves the old one, and a
 * program that starts meanwhile finds one or the other.
 * `node scripts/build.js [--if-needed]`
 */
import { existsSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { attempt, projectRoot } from "./run.js";

const dist = join(projectRoot, "dist");
const compiler = join(projectRoot, "node_modules/.bin/tsc");

/** Newest modification at or below the paths, in milliseconds; a directory's own tells of a deleted file. */
function newestMs(...paths) {
  let newest = 0;
  for (const path of paths) {
    const found = statSync(path);
    const inside = found.isDirectory() ? readdirSync(path).map((name) => join(path, name)) : [];
    newest = Math.max(newest, found.mtimeMs, newestMs(...inside));
  }
  return newest;
}

/** True when `made` in `directory` is there, and the directory newer than all `sources`, paths in the project. */
export function isCurrent(directory, made, sources) {
  if (!existsSync(join(directory, made))) return false;
  return statSync(directory).mtimeMs > newestMs(...sources.map((name) => join(projectRoot, name)));
}

/** @returns the compiler's status */
export function build({ ifNeeded = false } = {}) {
  if (ifNeeded && isCurrent(dist, "cli/main.js", ["src", "tsconfig.json", "package.json"])) return 0;
  if (!existsSync(compiler)) {
    console.error("build: no compiler here; `npm ci` brings it (without --omit=dev)");
    return existsSync(dist) ? 0 : 1;
  }
  const fresh = `${dist}.new-${process.pid}`;
  const old = `${dist}.old-${process.pid}`;
  try {
    const status = attempt(compiler, ["-p", "tsconfig.json", "--outDir", fresh, "--noEmitOnError"]);
    if (status !== 0) return status;
    if (existsSync(dist)) renameSync(dist, old);
    renameSync(fresh, dist);
    return 0;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
    rmSync(old, { recursive: true, force: true });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.exitCode = build({ ifNeeded: process.argv.includes("--if-needed") });
}
