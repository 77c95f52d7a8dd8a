/** The least that a server in C does for the same requests: a yardstick, built here. */
import { unlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { until } from "../../test/support/processes.js";
import { makeDirectory, unmount } from "../place.js";
import { background, command } from "../shell.js";
import { fileHasSize } from "./diskFile.js";
import { type Side, startInSteps } from "./side.js";

const SOURCE = resolve("bench/peers/floor.c");
const START_TIMEOUT_MS = 5_000;

export const cFloor: Side = {
  name: "c-floor",
  title: "the least that a server in C does: no index, two threads",
  isPeer: true,
  isYardstick: true,
  needs: { gcc: "gcc libc6-dev" },
  onlyRows: [
    ...["randread-4k-j8", "randread-4k-qd1", "randwrite-4k-j8", "randwrite-4k-qd1", "randread-4k-d32"],
    ...["randwrite-4k-d32", "read-1m-j1", "read-1m-j4", "write-1m-j1", "write-1m-j4"],
    ...["first-write-1m", "first-write-4k", "discard", "discard-random", "discard-pieces"],
    ...["tree-unpack", "sqlite-insert"],
  ],
  start: (bench) =>
    startInSteps(async (undo) => {
      const program = bench.place.path("floor");
      await command("gcc", ["-O2", "-pthread", "-o", program, SOURCE], { signal: bench.signal });
      undo.add(program, () => unlinkSync(program));
      const directory = makeDirectory(bench.place.path("c-floor"), undo);
      const file = join(directory, "disk");
      const child = background(program, [directory, String(bench.sizeBytes)]);
      undo.add("c-floor", () => child.stop());
      undo.add(`c-floor on ${directory}`, () => unmount(directory));
      await until(() => fileHasSize(file, bench.sizeBytes), START_TIMEOUT_MS, `c-floor\n${child.stderr()}`);
      return { file, pids: [child.pid] };
    }),
};
