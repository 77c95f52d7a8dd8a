/** Mount points that are none are refused, for mount, up and mount(8)'s helper, and stay as they are. */
import { rmdirSync, symlinkSync, writeFileSync } from "node:fs";
import { withDisk, withPlace } from "../support/place.js";
import { expectRefused } from "../support/refusal.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true });

it("missing, a file, a symbolic link, not empty, too much, none", () =>
  withPlace(async (place) => {
    const file = place.path("file");
    writeFileSync(file, "");
    const directory = place.makeDirectory("directory");
    const link = place.path("link");
    symlinkSync(directory, link);
    const full = place.makeDirectory("full");
    writeFileSync(`${full}/x`, "");
    const cases = [
      [place.path("missing"), /no such directory \(ENOENT\)$/, /mkdir/],
      [file, /not a directory \(ENOTDIR\)$/, /./],
      [link, /a symbolic link.*\(ELOOP\)$/, new RegExp(directory)],
      [full, /not empty \(ENOTEMPTY\)$/, /./],
    ] as const;
    for (const [path, cause, cure] of cases) {
      for (const verb of ["mount", "up"]) {
        await expectRefused(place, { args: [verb, path, "--size", "16M"], cause, cure });
      }
    }
    rmdirSync(directory);
    await expectRefused(place, { args: ["mount", link, "--size", "16M"], cause: /a symbolic link/ });
    await expectRefused(place, { args: ["mount"], cause: /mount point is missing/, code: 2 });
    await expectRefused(place, { args: ["mount", ""], cause: /mount point is an empty string/, code: 2, cure: false });
    await expectRefused(place, { args: ["mount", "a", "b", "c"], cause: /too many/, code: 2 });
    await expectRefused(place, { args: ["up", full, "--fs", "zfs"], cause: /not a file system/, code: 2 });
  }));

it("a mount point in use keeps what is there", () =>
  withDisk({ size: "16M" }, async (disk, place) => {
    await disk.io("pwrite -q -S 0x12 0 1m");
    const sum = await disk.sum();
    for (const verb of ["mount", "up"]) {
      const result = await place.refused([verb, disk.directory, "--size", "16M"]);
      if (result.status !== 1 || !/^kmemfs: .*\(EBUSY\)\ntry: kmemfs (unmount|down) /.test(result.stderr)) {
        throw new Error(`${verb}: ${result.status} ${result.stderr}`);
      }
    }
    if ((await disk.sum()) !== sum) throw new Error("what was there changed");
  }));

it("commands about a disk that is not there", () =>
  withPlace(async (place) => {
    const directory = place.makeDirectory("nothing");
    for (const verb of ["unmount", "down", "trim", "status"]) {
      await expectRefused(place, { args: [verb, directory], cause: /no(t a)? kmemfs/, cure: /kmemfs status/ });
    }
    await expectRefused(place, {
      args: ["frobnicate"],
      cause: /unknown command, and no such file or directory/,
      code: 2,
    });
    await expectRefused(place, { args: ["mount", directory, "--nonsense"], cause: /unknown option/, code: 2 });
    await expectRefused(place, {
      args: ["mount", directory, "-o", "nonsense"],
      cause: /unknown mount option/,
      code: 2,
    });
    await expectRefused(place, { args: ["check"], cause: /missing required argument/, code: 16 });
  }));
