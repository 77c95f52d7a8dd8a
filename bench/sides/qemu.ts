/** qemu-storage-daemon's FUSE export of a file on tmpfs. */
import { join } from "node:path";
import { until } from "../../test/support/processes.js";
import { unmount } from "../place.js";
import { background } from "../shell.js";
import { fileHasSize, makeFile } from "./diskFile.js";
import { type Side, startInSteps } from "./side.js";

const START_TIMEOUT_MS = 10_000;

/** @param options further options of the block device, e.g. `aio=io_uring` */
function qemuWith(name: string, title: string, ...options: string[]): Side {
  const start: Side["start"] = (bench) =>
    startInSteps(async (undo) => {
      const image = makeFile(join(bench.place.ram, `${name}.img`), bench.sizeBytes, undo);
      // The export is mounted over this file, and has the image's size once it is there.
      const file = makeFile(bench.place.path(name), 0, undo);
      const device = ["driver=file", "node-name=disk", `filename=${image}`, "discard=unmap", ...options].join(",");
      const exported = `type=fuse,id=export,node-name=disk,mountpoint=${file},writable=on`;
      const child = background("qemu-storage-daemon", ["--blockdev", device, "--export", exported]);
      undo.add(`mount ${file}`, () => unmount(file));
      undo.add(name, () => child.stop());
      const isReady = (): boolean => {
        if (child.stderr() !== "") throw new Error(child.stderr().trim());
        return fileHasSize(file, bench.sizeBytes);
      };
      await until(isReady, START_TIMEOUT_MS, title);
      return { file, pids: [child.pid] };
    });
  return { name, title, isPeer: true, needs: { "qemu-storage-daemon": "qemu-system-common" }, start };
}

export const qemu = qemuWith("qemu", "qemu-storage-daemon, FUSE export of a tmpfs file");

/** Faster than the default here, at least in reads: what a user who tunes it has. */
export const qemuUring = qemuWith("qemu-uring", "qemu-storage-daemon with aio=io_uring", "aio=io_uring");
