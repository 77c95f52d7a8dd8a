/** What a killed disk leaves is known by its session, also where it was moved or is mounted twice. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { expect } from "vitest";
import type { Disk } from "../support/disk.js";
import { killBoth } from "../support/killed.js";
import { isMounted, withDisk } from "../support/place.js";
import { run } from "../support/processes.js";
import { expectRefusal } from "../support/refusal.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true });

/** What is kept of the disk under its name. */
function filesOf({ directory }: Disk): string[] {
  const id = createHash("sha256").update(directory).digest("hex").slice(0, 16);
  return [".json", ".sock", ".lock"].filter((end) => existsSync(`/run/kmemfs/${id}${end}`));
}

it("recover clears a dead mount that was moved, and forgets it under the name that it had", () =>
  withDisk({ size: "16M" }, async (disk, place) => {
    const moved = place.makeDirectory("moved");
    await run("mount", ["--move", disk.directory, moved]);
    place.cleanup.add(moved, () => run("umount", [moved], { allowFail: true }));
    await killBoth(await disk.status());
    expect([isMounted(moved), filesOf(disk)]).toEqual([true, expect.arrayContaining([".json"])]);
    const { stdout } = await place.kmemfs(["recover", disk.directory]);
    expect(stdout).toContain(`unmounted the dead mount ${moved}\n`);
    expect([isMounted(moved), filesOf(disk)]).toEqual([false, []]);
    await place.expectNothingLeft();
  }));

it("unmount names the other places of a dead mount, and its record stays until the last is gone", () =>
  withDisk({ size: "16M" }, async (disk, place) => {
    const bound = place.makeDirectory("bound");
    await run("mount", ["--bind", disk.directory, bound]);
    place.cleanup.add(bound, () => run("umount", [bound], { allowFail: true }));
    await killBoth(await disk.status());
    const refused = await place.refused(["unmount", disk.directory]);
    expectRefusal(refused, { cause: new RegExp(`it is also mounted on ${bound} \\(EBUSY\\)$`) });
    await place.kmemfs(["unmount", "--force", disk.directory]);
    expect([isMounted(disk.directory), isMounted(bound)]).toEqual([false, true]);
    expect(filesOf(disk)).toContain(".json");
    await place.kmemfs(["unmount", bound]);
    expect([isMounted(bound), filesOf(disk)]).toEqual([false, expect.not.arrayContaining([".json"])]);
    await place.kmemfs(["recover", disk.directory]);
    await place.expectNothingLeft();
  }));
