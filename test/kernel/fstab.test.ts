/** mount -a knows the lines of fstab that are mounted, whatever they call the pool. */
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { expect } from "vitest";
import { installHelper } from "../support/mountHelper.js";
import { isMounted, type Place, withPlace } from "../support/place.js";
import { run } from "../support/processes.js";
import { kmemfsProgram } from "../support/project.js";
import { requires } from "../support/requires.js";
import { userPlace } from "../support/userPlace.js";

const { it } = requires({ root: true, fuse: true, commands: ["mount", "umount", "fusermount3", "setpriv", "unshare"] });

const sourceOf = (directory: string): string | undefined =>
  readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .find((line) => line.includes(` ${directory} `))
    ?.split(" - ")[1]
    ?.split(" ")[1];

/** Mounts all lines twice. */
async function mountAll(place: Place, lines: readonly string[]): Promise<void> {
  const table = place.path("fstab");
  writeFileSync(table, lines.map((line) => `${line}\n`).join(""));
  for (let times = 0; times < 2; times++) {
    const { status, stderr } = await run("mount", ["-a", "-T", table], { allowFail: true });
    expect([status, stderr]).toEqual([0, ""]);
  }
}

it("a second mount -a mounts nothing again", () =>
  withPlace(async (place) => {
    installHelper(place);
    symlinkSync(place.path("pool"), place.path("link"));
    const pools = ["none", "tmpfs", "kmemfs", "memfd", place.path("pool"), place.path("link")];
    for (const [i, pool] of pools.entries()) {
      const directory = place.makeDirectory(`disk${i}`);
      place.endsWithUs(directory);
      await mountAll(place, [`${pool} ${directory} fuse.kmemfs size=16M,create,nofail 0 0`]);
      expect(sourceOf(directory)).toBe(pool === place.path("link") ? place.path("pool") : pool);
      await run("umount", [directory]);
      await place.expectNothingLeft();
    }
  }));

it("the source of a mount without a pool's name is our own, and of a user's the same", () =>
  withPlace(async (place) => {
    const disk = await place.mount({ size: "16M" });
    expect(sourceOf(disk.directory)).toBe("kmemfs");
    await disk.unmount();
    expect(isMounted(disk.directory)).toBe(false);
    const { directory, user, root } = await userPlace(place);
    await user([process.execPath, kmemfsProgram, "mount", "memfd", directory, "--size", "16M"]);
    const { stdout } = await root(["findmnt", "-n", "-o", "SOURCE", directory]);
    expect(stdout).toBe("memfd\n");
    await user([process.execPath, kmemfsProgram, "unmount", directory]);
  }));
