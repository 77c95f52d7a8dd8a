/** A pool on a file system whose blocks are smaller than a page: a page may be a hole in part. */
import { expect } from "vitest";
import { killBoth } from "../support/killed.js";
import { type Place, withPlace } from "../support/place.js";
import { run } from "../support/processes.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, loop: true, commands: ["mkfs.ext4", "xfs_io"] });

const KIB = 1024;

/** A directory on ext4 with blocks of 1 KiB. */
async function smallBlocks(place: Place): Promise<string> {
  const image = place.path("image");
  await run("truncate", ["-s", "96M", image]);
  await run("mkfs.ext4", ["-q", "-F", "-b", "1024", image]);
  return place.mountFileSystem("ext4", await place.loop(image), "ext4");
}

it("parts of pages are written and punched directly, and the pool opens either way", () =>
  withPlace(async (place) => {
    const pool = `${await smallBlocks(place)}/pool`;
    await place.kmemfs(["format", pool, "--split", "--size", "16M"]);
    const disk = await place.mount({ pool, args: ["--io", "direct"] });
    // Page 2 holds something in its third block only, page 5 in all but its first, page 9 nothing.
    await disk.io(`pwrite -q -S 0x41 ${10 * KIB} 512`, "pwrite -q -S 0x42 20k 4k", "fpunch 20k 1k");
    await disk.io("pwrite -q -S 0x43 36k 4k", "fpunch 36k 4k");
    expect(await disk.io("seek -a -r 0")).toBe(
      "Whence\tResult\nHOLE\t0\nDATA\t8192\nHOLE\t12288\nDATA\t20480\nHOLE\t24576\n",
    );
    const sum = await disk.sum();
    await disk.unmount();
    await place.kmemfs(["check", pool]);
    for (const io of ["served", "direct", "served"]) {
      const again = await place.mount({ pool, args: ["--io", io] });
      expect([await again.sum(), (await again.status()).io]).toEqual([sum, io]);
      await again.unmount();
      await place.kmemfs(["check", pool]);
    }
  }));

it("format --force over a pool that was cut off in direct mode keeps the pool's size", () =>
  withPlace(async (place) => {
    const pool = place.path("pool");
    await place.kmemfs(["format", pool, "--split", "--size", "24M", "--max-size", "32M"]);
    const disk = await place.mount({ pool, args: ["--io", "direct"] });
    await disk.io("pwrite -q 0 1m");
    const { serverPid, holderPid, poolBytes } = await disk.status();
    await killBoth({ holderPid, serverPid });
    await run("umount", ["-l", disk.directory]);
    const refused = await place.refused(["format", pool]);
    expect([refused.status, refused.stderr]).toEqual([1, expect.stringMatching(/holds a kmemfs pool/)]);
    await place.kmemfs(["format", pool, "--force"]);
    const again = await place.mount({ pool, args: ["--io", "direct"] });
    const status = await again.expectAccount();
    expect([status.poolBytes, status.usedBytes]).toEqual([poolBytes, 0]);
  }));
