/** An empty disk of 1 TiB is there at once and costs next to nothing, in memory and in processes. */
import { readFileSync, rmSync } from "node:fs";
import { expect } from "vitest";
import { Disk } from "../support/disk.js";
import { expectNoLonger, msOf } from "../support/noLonger.js";
import { isMounted, withPlace } from "../support/place.js";
import { run } from "../support/processes.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, commands: ["xfs_io"] });

const MIB = 2 ** 20;
/** How much longer than for a disk of a few MiB it may take: another load on the machine slows both. */
const MOST_TIMES = 3;
const SMALL = ["--size", "16M"];
const MOST_POOL_BYTES = 4 * MIB;
const MOST_PROCESS_BYTES = 200e6;

/** Resident memory of a process, the pages of shared memory (the pool's) not counted. */
function ownBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kibibytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1] ?? 0);
  return (kibibytes("RssAnon") + kibibytes("RssFile")) * 1024;
}

for (const kind of ["tmpfs", "a file on tmpfs", "a directory on tmpfs"]) {
  it(`on ${kind}`, () =>
    withPlace(async (place) => {
      const pool = kind === "tmpfs" ? "tmpfs" : `${await place.tmpfs("1g")}/pool`;
      const split = kind.includes("directory") ? ["--split"] : [];
      let disk = new Disk(place, place.path("disk"));
      const begin = async (sizes: readonly string[]): Promise<void> => {
        if (kind !== "tmpfs") await place.kmemfs(["format", pool, ...sizes, ...split, "--force"]);
        disk = await place.mount({ pool, args: kind === "tmpfs" ? sizes : [] });
      };
      const end = async (): Promise<void> => {
        if (isMounted(disk.directory)) await disk.unmount();
        if (kind !== "tmpfs") rmSync(pool, { recursive: true, force: true });
      };
      const calmMs = await msOf(() => begin(SMALL));
      await end();
      await expectNoLonger("1 TiB", { times: MOST_TIMES, calmMs }, async () => {
        await end();
        await begin(["--size", "1T"]);
      });

      const empty = await disk.expectAccount();
      expect([empty.sizeBytes, empty.usedBytes]).toEqual([2 ** 40, 0]);
      expect(empty.metadataBytes).toBeLessThan(MOST_POOL_BYTES);
      const processBytes = ownBytes(empty.holderPid) + ownBytes(empty.serverPid ?? 0);
      expect(processBytes).toBeLessThan(MOST_PROCESS_BYTES);

      await run("cmp", ["-n", `${64 * MIB}`, "-i", `${2 ** 39}:0`, disk.file, "/dev/zero"]);
      const read = await disk.expectAccount();
      expect([read.usedBytes, read.metadataBytes]).toEqual([0, empty.metadataBytes]);

      await disk.io(`pwrite -q -S 0x61 ${2 ** 40 - 4096} 4096`, `pwrite -q -S 0x62 ${2 ** 39} 4096`);
      expect(await disk.io("seek -a -r 0")).toBe(
        `Whence\tResult\nHOLE\t0\nDATA\t${2 ** 39}\nHOLE\t${2 ** 39 + 4096}\nDATA\t${2 ** 40 - 4096}\nHOLE\t${2 ** 40}\n`,
      );
      await run("fallocate", ["-p", "-o", "0", "-l", `${2 ** 40}`, disk.file]);
      expect((await disk.expectAccount()).usedBytes).toBe(0);
    }));
}
