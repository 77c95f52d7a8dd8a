/** The demo shows memory come back, and cleans up also when it is interrupted or when a tool is missing. */
import { readdirSync } from "node:fs";
import { expect } from "vitest";
import { someOf } from "../support/longForm.js";
import { withPlace } from "../support/place.js";
import { killGroup, start } from "../support/processes.js";
import { kmemfsProgram } from "../support/project.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, loop: true, commands: ["mkfs.ext4", "fstrim"] });

it("the whole life, with figures", () =>
  withPlace(async (place) => {
    const { stdout, stderr } = await place.kmemfs(["demo", "--size", "128M"], {
      timeoutMs: 60_000,
      env: { TMPDIR: place.directory },
    });
    expect(stderr).toBe("");
    for (const step of ["before", "kmemfs mount", "losetup", "mkfs.ext4", "mount", "delete it", "fstrim", "umount"]) {
      expect(stdout).toMatch(new RegExp(`^${step}.* \\d+(\\.\\d+)? `, "m"));
    }
    const [, back = "", of = ""] = /returned (\S+) MiB of (\S+) MiB to the machine/.exec(stdout) ?? [];
    expect(Number(back)).toBeGreaterThan(60);
    expect(Number(of)).toBeGreaterThanOrEqual(Number(back));
    expect(readdirSync(place.directory)).toEqual([]);
    await place.expectNothingLeft();
  }));

for (const step of someOf(["mount ", "kmemfs mount", "losetup", "write"], 1)) {
  it(`Ctrl-C after "${step.trim()}"`, () =>
    withPlace(async (place) => {
      const demo = start(process.execPath, [kmemfsProgram, "demo", "--size", "512M"], {
        env: { TMPDIR: place.directory },
      });
      place.cleanup.add("demo", () => demo.stop());
      await demo.waitFor(new RegExp(`^${step}`, "m"));
      killGroup(demo.pid, "SIGINT");
      expect(await demo.exited).not.toBe(0);
      expect(demo.stderr()).toMatch(/^kmemfs: .*\n/);
      await place.expectNothingLeft();
      expect(readdirSync(place.directory)).toEqual([]);
    }));
}

it("a size that the machine has not", () =>
  withPlace(async (place) => {
    const { status, stderr } = await place.refused(["demo", "--size", "900T"]);
    expect([status, stderr]).toEqual([1, expect.stringMatching(/^kmemfs: demo .*\(ENOMEM\)\ntry: .*\n$/)]);
    await place.expectNothingLeft();
  }));
