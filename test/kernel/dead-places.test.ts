/** What a killed disk leaves is known by its session, also where it was moved or is mounted twice. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { expect } from "vitest";
import { readLoopDevices } from "../../src/linux/proc/loopDevices.js";
import type { MountStatus } from "../../src/mounts/status.js";
import { attachmentOf } from "../support/attachment.js";
import type { Disk } from "../support/disk.js";
import { killBoth } from "../support/killed.js";
import { isMounted, withDisk, withPlace } from "../support/place.js";
import { run, until } from "../support/processes.js";
import { kmemfsProgram } from "../support/project.js";
import { expectRefusal } from "../support/refusal.js";
import { requires } from "../support/requires.js";
import { sleeperAfter } from "../support/sleeper.js";

const { it } = requires({ root: true, fuse: true });
const commands = ["mkfs.ext4", "unshare", "nsenter", "losetup"];
const containers = requires({ root: true, fuse: true, loop: true, commands });

const END_MS = 60_000;

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

containers.it("the loop device of a container's dead disk is not taken for ours", () =>
  withPlace(async (place) => {
    const theirs = place.makeDirectory("theirs");
    const kmemfs = `${process.execPath} ${kmemfsProgram}`;
    const up = `mount -t tmpfs -o mode=755 tmpfs /run && ${kmemfs} up ${theirs} --size 32M && ${kmemfs} status ${theirs} -J`;
    const other = await sleeperAfter(place, up, ["unshare", "-m", "--propagation", "private"]);
    const there = (...words: string[]) => run("nsenter", ["-t", `${other.pid}`, "-m", ...words], { allowFail: true });
    const [container] = (JSON.parse(other.stdout().replace(/^[^{]*/, "")) as { mounts: MountStatus[] }).mounts;
    const [device = ""] = container.loopDevices;
    const isThere = attachmentOf(device);
    place.cleanup.add(device, async () => {
      await there("umount", "-l", theirs);
      if (isThere()) await run("losetup", ["-d", device], { allowFail: true });
      await until(() => !isThere(), END_MS, `${device} to be detached`);
    });
    await killBoth(container);
    await there("umount", "--internal-only", "--no-canonicalize", "-l", dirname(container.file));
    const hasNoPath = () => readLoopDevices().find(({ path }) => path === device)?.backingFile === "/disk";
    await until(hasNoPath, END_MS, "a loop device without a path");

    const disk = await place.mount({ size: "16M" });
    await killBoth(await disk.status());
    await place.kmemfs(["unmount", disk.directory]);
    expect([isMounted(disk.directory), isThere()]).toEqual([false, true]);
  }),
);
