/** A disk that is too small for its file system is refused with the least size that is not, before anything is made. */
import { readFileSync } from "node:fs";
import { expect } from "vitest";
import { withPlace } from "../support/place.js";
import { run } from "../support/processes.js";
import { kmemfsProgram } from "../support/project.js";
import { expectRefusal } from "../support/refusal.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, loop: true, commands: ["mkfs.ext4", "mkfs.xfs", "mkfs.btrfs"] });

const LEAST: readonly (readonly [string, string, string])[] = [
  ["ext4", "252K", "256K"],
  ["xfs", "299M", "300M"],
  ["btrfs", "108M", "109M"],
];

for (const [type, less, least] of LEAST) {
  it(`${type} takes ${least}, and is refused on ${less}`, () =>
    withPlace(async (place) => {
      const mountpoint = place.makeDirectory("up");
      place.endsWithUs(mountpoint);
      const refused = await place.refused(["up", mountpoint, "--fs", type, "--size", less]);
      const cause = new RegExp(`too small for ${type}, which needs at least ${least} \\(ENOSPC\\)$`);
      expectRefusal(refused, { cause, cure: new RegExp(`--size ${least}`) });
      await place.expectNothingLeft();
      await place.kmemfs(["up", mountpoint, "--fs", type, "--size", least]);
      await place.kmemfs(["down", mountpoint]);
    }));
}

it("a blank pool that is there already is refused before mkfs", () =>
  withPlace(async (place) => {
    const pool = place.path("pool");
    await place.kmemfs(["format", pool, "--size", "64M"]);
    const mountpoint = place.makeDirectory("up");
    const refused = await place.refused(["up", mountpoint, "--pool", pool, "--fs", "xfs"]);
    expectRefusal(refused, { cause: /too small for xfs, which needs at least 300M \(ENOSPC\)$/ });
    await place.expectNothingLeft();
  }));

it("where no files may be written a mount says why it fails, also when its words were to go into a file", () =>
  withPlace(async (place) => {
    const directory = place.makeDirectory("disk");
    const said = place.path("said");
    const words = /^kmemfs: .*\(EFBIG\)\ntry: ulimit -f unlimited/;
    for (const command of [`mount ${directory} --size 16M`, `up ${directory} --size 16M`]) {
      const under = (limit: string) =>
        run("bash", ["-c", `${limit}; exec ${process.execPath} ${kmemfsProgram} ${command} 2>${said}`], {
          allowFail: true,
        });
      expect((await under("ulimit -S -f 0")).status).toBe(1);
      expect(readFileSync(said, "utf8")).toMatch(words);
      // Root may raise a hard limit in most places, and writes to the file then.
      const { status, stdout } = await under("ulimit -f 0");
      expect([status, stdout + readFileSync(said, "utf8")]).toEqual([1, expect.stringMatching(words)]);
    }
    await place.expectNothingLeft();
  }));
