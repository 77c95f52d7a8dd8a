/**
 * Bundles src/ to dist/: one minified file for each of our processes. A fresh
 * directory is made and then takes dist's place, so that nothing stale stays, a failed
 * build leaves the old one, and a program that starts meanwhile finds one or the other.
 * `node scripts/build.js [--if-needed] [ROOT]`, ROOT for another tree than this
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { projectRoot } from "./run.js";

/** The bundles by the modules they begin with; src/linux/process/programs.ts has their names. */
const ENTRIES = {
  kmemfs: "cli/kmemfsMain",
  holder: "daemon/holder/holderMain",
  server: "daemon/server/serverProgram",
  call: "disk/callMain",
};

/**
 * The files that they are started from, by their names, and the bundle that each runs. Each has a cache of its own, as
 * it keeps the functions that were called: a server and its threads call others of the same bundle.
 */
const STARTERS = { kmemfs: "kmemfs", holder: "holder", server: "server", thread: "server", call: "call" };

/** What makes them, and goes into them. */
const BUILDERS = ["scripts/build.js", "scripts/thinMap.js", "scripts/stub.cjs"];

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

/** True when `made` in `directory` is there, and newer than all `sources`, paths in the project. */
export function isCurrent(directory, made, sources) {
  const found = statSync(join(directory, made), { throwIfNoEntry: false });
  return found !== undefined && found.mtimeMs > newestMs(...sources.map((name) => join(projectRoot, name)));
}

/** Makes `root`/dist from `root`/src, which may be compiled already. */
export async function bundle(root) {
  // The program runs from here without them, where only the runtime packages are installed.
  const [esbuild, { thinMap }] = await Promise.all([import("esbuild"), import("./thinMap.js")]);
  const dist = join(root, "dist");
  const fresh = `${dist}.new-${process.pid}`;
  const old = `${dist}.old-${process.pid}`;
  try {
    await esbuild.build({
      absWorkingDir: root,
      entryPoints: Object.fromEntries(
        Object.entries(ENTRIES).map(([name, module]) => [`${name}.code`, `./src/${module}`]),
      ),
      outdir: fresh,
      outExtension: { ".js": ".cjs" },
      bundle: true,
      // Modules that are imported while a command runs are evaluated only then, and so is koffi.
      format: "cjs",
      platform: "node",
      target: "node20.19",
      external: ["koffi"],
      define: { "import.meta.dirname": "__dirname", "import.meta.filename": "__filename" },
      minify: true,
      // The stub reads a byte a character.
      charset: "ascii",
      sourcemap: "linked",
      sourcesContent: false,
      logLevel: "warning",
    });
    const { code: stub } = await esbuild.transform(readFileSync(join(projectRoot, "scripts/stub.cjs"), "utf8"), {
      minify: true,
    });
    for (const name of Object.keys(ENTRIES)) {
      const map = join(fresh, `${name}.code.cjs.map`);
      writeFileSync(map, thinMap(readFileSync(map, "utf8")));
    }
    for (const [name, code] of Object.entries(STARTERS)) {
      const hash = createHash("sha256").update(readFileSync(join(fresh, `${code}.code.cjs`)));
      const build = hash.digest("hex").slice(0, 12);
      const starter = stub.replaceAll("CODE", code).replaceAll("NAME", name).replaceAll("BUILD", build);
      writeFileSync(join(fresh, `${name}.cjs`), starter);
    }
    // Not by the stub, which would keep what help alone needs.
    const kmemfs = (...args) =>
      spawnSync(process.execPath, [join(fresh, "kmemfs.code.cjs"), ...args], { encoding: "utf8" });
    const help = kmemfs("--help");
    if (help.status !== 0) throw new Error(`kmemfs --help: ${help.stderr}`);
    writeFileSync(join(fresh, "help.txt"), help.stdout);
    copyFileSync(join(projectRoot, "node_modules/commander/LICENSE"), join(fresh, "LICENSE.commander"));
    if (existsSync(dist)) renameSync(dist, old);
    renameSync(fresh, dist);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
    rmSync(old, { recursive: true, force: true });
  }
}

/** @returns 0, or 1 after the bundler has said why */
export async function build({ ifNeeded = false, root = projectRoot } = {}) {
  const dist = join(root, "dist");
  if (ifNeeded && isCurrent(dist, "kmemfs.cjs", ["src", "package.json", ...BUILDERS])) return 0;
  try {
    await bundle(root);
    return 0;
  } catch (error) {
    if (error.code !== "ERR_MODULE_NOT_FOUND") {
      if (error.errors === undefined) console.error(`build: ${error.message}`);
      return 1;
    }
    console.error("build: no bundler here; `npm ci` brings it (without --omit=dev)");
    return existsSync(dist) ? 0 : 1;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [root] = process.argv.slice(2).filter((arg) => arg !== "--if-needed");
  process.exitCode = await build({ ifNeeded: process.argv.includes("--if-needed"), root });
}
