/** fuse-native, the FUSE binding for Node, with the file in one Buffer. Its package is the benchmarks' alone. */
import { existsSync, symlinkSync, unlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { until } from "../../test/support/processes.js";
import { makeDirectory, unmount } from "../place.js";
import { background, command } from "../shell.js";
import { fileHasSize } from "./diskFile.js";
import { type Side, startInSteps } from "./side.js";

const HOME = resolve("bench/peers/fuse-native");
const LIBRARIES = join(HOME, "node_modules/fuse-native/prebuilds", `${process.platform}-${process.arch}`);
const INSTALL_TIMEOUT_MS = 120_000;
const START_TIMEOUT_MS = 15_000;

/** @throws Error when the package is not here and cannot be had */
async function ensureInstalled(signal: AbortSignal): Promise<void> {
  if (existsSync(LIBRARIES)) return;
  if (process.env.KMEMFS_NO_INSTALL === "1") throw new Error("its npm package is not installed");
  console.log("Installing fuse-native for the benchmarks alone (KMEMFS_NO_INSTALL=1 leaves it out)");
  const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  await command("env", ["--chdir", HOME, "npm", "ci", ...quiet], { timeoutMs: INSTALL_TIMEOUT_MS, signal });
  if (!existsSync(LIBRARIES)) throw new Error(`it has no binary for ${process.platform} on ${process.arch}`);
}

export const fuseNative: Side = {
  name: "fuse-native",
  title: "fuse-native, big_writes, the file in a Buffer",
  isPeer: true,
  needs: { npm: "npm" },
  start: (bench) =>
    startInSteps(async (undo) => {
      await ensureInstalled(bench.signal);
      // Its binding asks for libfuse.so.2, and it brings that library under another name.
      const libraries = makeDirectory(bench.place.path("fuse-native-lib"), undo);
      const library = join(libraries, "libfuse.so.2");
      symlinkSync(join(LIBRARIES, "libfuse.so"), library);
      undo.add(library, () => unlinkSync(library));
      const directory = makeDirectory(bench.place.path("fuse-native"), undo);
      const file = join(directory, "disk");
      const args = [join(HOME, "server.cjs"), directory, String(bench.sizeBytes)];
      const child = background(process.execPath, args, { LD_LIBRARY_PATH: libraries, PREBUILDS_ONLY: "1" });
      undo.add("fuse-native", () => child.stop());
      undo.add(`fuse-native on ${directory}`, () => unmount(directory));
      // A file that is asked for before the mount is there would not be asked for again.
      await child.waitFor(/ready/, START_TIMEOUT_MS);
      await until(() => fileHasSize(file, bench.sizeBytes), START_TIMEOUT_MS, `fuse-native\n${child.stderr()}`);
      return { file, pids: [child.pid] };
    }),
};
