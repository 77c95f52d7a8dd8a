/** nbdfuse over nbdkit's memory plugin, connected as nbdfuse(1) shows it. */
import { join } from "node:path";
import { until } from "../../test/support/processes.js";
import { makeDirectory, unmount } from "../place.js";
import { background } from "../shell.js";
import { fileHasSize } from "./diskFile.js";
import { type Side, startInSteps } from "./side.js";

const START_TIMEOUT_MS = 10_000;

export const nbdfuse: Side = {
  name: "nbdfuse",
  title: "nbdfuse over nbdkit memory",
  isPeer: true,
  needs: { nbdfuse: "libnbd-bin", nbdkit: "nbdkit" },
  start: (bench) =>
    startInSteps(async (undo) => {
      const directory = makeDirectory(bench.place.path("nbdfuse"), undo);
      const file = join(directory, "disk");
      const server = ["nbdkit", "--exit-with-parent", "memory", String(bench.sizeBytes)];
      const child = background("nbdfuse", [file, "[", ...server, "]"]);
      undo.add("nbdfuse", () => child.stop());
      undo.add(`nbdfuse on ${directory}`, () => unmount(directory));
      await until(() => fileHasSize(file, bench.sizeBytes), START_TIMEOUT_MS, `nbdfuse\n${child.stderr()}`);
      return { file, pids: [child.pid] };
    }),
};
