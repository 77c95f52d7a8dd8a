/** mount(8) and umount(8) work through the helper /sbin/mount.fuse.kmemfs, with mount(8)'s exit codes. */
import { existsSync } from "node:fs";
import { expect } from "vitest";
import { statusOf } from "../support/disk.js";
import { installHelper } from "../support/mountHelper.js";
import { isMounted, withPlace } from "../support/place.js";
import { run, until } from "../support/processes.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, commands: ["mount", "umount"] });

it("a private tmpfs and a pool file, with options", () =>
  withPlace(async (place) => {
    installHelper(place);
    const directory = place.makeDirectory("disk");
    place.endsWithUs(directory);
    await run("mount", ["-t", "fuse.kmemfs", "none", directory, "-o", "size=1G,noatime,nofail"]);
    expect((await run("stat", ["-c", "%s", `${directory}/disk`])).stdout).toBe(`${2 ** 30}\n`);
    expect((await run("findmnt", ["-n", "-o", "FSTYPE", directory])).stdout).toBe("fuse.kmemfs\n");
    const status = await statusOf(directory);
    await run("umount", [directory]);
    await until(() => !existsSync(`/proc/${status.holderPid}`), 60_000, "the holder to end");

    const pool = place.path("pool");
    await run("mount", ["-t", "fuse.kmemfs", pool, directory, "-o", "create,size=16M"]);
    await run("dd", ["if=/dev/zero", `of=${directory}/disk`, "bs=4k", "count=3", "conv=notrunc", "status=none"]);
    await run("umount", [directory]);
    await place.expectNothingLeft();
    await run("mount", ["-r", "-t", "fuse.kmemfs", pool, directory]);
    expect((await run("du", ["-B1", `${directory}/disk`])).stdout).toMatch(/^12288\t/);
    expect((await statusOf(directory)).readOnly).toBe(true);
    await run("umount", [directory]);
    await place.expectNothingLeft();
  }));

it("failures have mount(8)'s codes and one line", () =>
  withPlace(async (place) => {
    installHelper(place);
    const directory = place.makeDirectory("disk");
    const cases = [
      [["none", directory, "-o", "size=5X"], 1, /size 5X/],
      [["none", directory, "-o", "size=16M,nonsense"], 1, /nonsense/],
      [[place.path("missing"), directory], 32, /ENOENT/],
    ] as const;
    for (const [args, code, cause] of cases) {
      const { status, stderr } = await run("mount", ["-t", "fuse.kmemfs", ...args], { allowFail: true });
      expect([status, stderr]).toEqual([code, expect.stringMatching(/^kmemfs: .*\n(try: .*\n)?$/)]);
      expect(stderr).toMatch(cause);
    }
    expect(isMounted(directory)).toBe(false);
    await place.expectNothingLeft();
  }));
