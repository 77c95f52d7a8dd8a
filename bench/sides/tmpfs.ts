/** A directory of tmpfs: for who needs files and no device. */
import { makeDirectory, unmount } from "../place.js";
import { command } from "../shell.js";
import { type Side, startInSteps } from "./side.js";

export const tmpfs: Side = {
  name: "tmpfs",
  title: "tmpfs, no device",
  isPeer: true,
  needs: {},
  start: (bench) =>
    startInSteps(async (undo) => {
      const file = makeDirectory(bench.place.path("tmpfs"), undo);
      undo.add(`tmpfs ${file}`, () => unmount(file));
      await command("mount", ["-t", "tmpfs", "-o", `size=${bench.sizeBytes},mode=0755`, "kmemfs-bench", file]);
      return { file, pids: [], isDirectory: true };
    }),
};
