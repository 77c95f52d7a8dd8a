/** What is written to under pressure: kmemfs, and nbdfuse over nbdkit's memory, started as the benchmarks do it. */
import { join } from "node:path";
import { isMounted, type Place } from "../../support/place.js";
import { run, start, until } from "../../support/processes.js";
import { FailoverDisk } from "../failover/disk.js";

const START_MS = 10_000;

export interface Side {
  readonly name: string;
  /** @returns the path of the file, of `sizeBytes` */
  start(place: Place, sizeBytes: number): Promise<string>;
  /** Lets all memory go. */
  stop(place: Place): Promise<void>;
}

function kmemfsSide(io: "served" | "direct"): Side {
  let stop: () => Promise<unknown> = async () => undefined;
  return {
    name: `kmemfs ${io}`,
    async start(place, sizeBytes) {
      const args = ["--size", String(sizeBytes)];
      const disk = await FailoverDisk.mount(place, { name: `kmemfs-${io}`, io, spare: true, args });
      disk.rescueIn(place);
      stop = () => place.kmemfs(["unmount", disk.directory], { timeoutMs: 60_000 });
      return disk.file;
    },
    async stop() {
      await stop();
    },
  };
}

const nbdfuse: Side = {
  name: "nbdfuse",
  async start(place, sizeBytes) {
    const directory = place.makeDirectory("nbdfuse");
    const file = join(directory, "disk");
    const server = ["nbdkit", "--exit-with-parent", "memory", String(sizeBytes)];
    const child = start("nbdfuse", [file, "[", ...server, "]"], { cwd: "/" });
    place.cleanup.add("nbdfuse", () => child.stop());
    place.cleanup.add(directory, () => unmount(directory));
    await until(() => hasSize(file, sizeBytes), START_MS, `nbdfuse\n${child.stderr()}`);
    return file;
  },
  stop: (place) => unmount(place.path("nbdfuse")),
};

async function hasSize(file: string, sizeBytes: number): Promise<boolean> {
  const { status, stdout } = await run("stat", ["-c", "%s", file], { allowFail: true });
  return status === 0 && Number(stdout) === sizeBytes;
}

async function unmount(directory: string): Promise<void> {
  if (isMounted(directory)) await run("umount", [directory]);
}

export const SIDES: readonly Side[] = [kmemfsSide("served"), kmemfsSide("direct"), nbdfuse];
