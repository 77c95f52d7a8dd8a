/** A container with a disk in it is killed: its loop device, whose file has no path any more, is found and freed. */

import { createHash } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { expect } from "vitest";
import { readLoopDevices } from "../../src/linux/proc/loopDevices.js";
import { attachmentOf } from "../support/attachment.js";
import { type Place, withPlace } from "../support/place.js";
import { run, start, until } from "../support/processes.js";
import { kmemfsProgram, withTestedIo } from "../support/project.js";
import { requires } from "../support/requires.js";
import { sleeperAfter } from "../support/sleeper.js";

const { it } = requires({ root: true, fuse: true, loop: true, commands: ["mkfs.ext4", "unshare"] });

const END_MS = 60_000;
const MIB = 2 ** 20;

interface Loop {
  readonly path: string;
  readonly isThere: () => boolean;
}

/** A disk of `up` with something in it, in a mount and pid namespace that is killed then. @returns its loop device */
async function killedContainer(place: Place, mountpoint: string, mebibytes: number): Promise<Loop> {
  const up = ["up", mountpoint, "--size", "256M"];
  const words = [process.execPath, kmemfsProgram, ...withTestedIo(up)].join(" ");
  const fill = `dd if=/dev/zero of=${mountpoint}/x bs=1M count=${mebibytes} conv=fsync status=none`;
  const look = `${process.execPath} ${kmemfsProgram} status ${mountpoint} -J`;
  const line = `${words} && ${fill} && ${look} && echo there && exec sleep 3600`;
  // Its last process may wait for itself for ever, and keep all who wait for a file system: only recover ends that.
  place.cleanup.add("what the container left", () => place.refused(["recover", mountpoint]));
  const child = start("unshare", ["-mpf", "--kill-child", "--propagation", "private", "sh", "-c", line]);
  place.cleanup.add("the container", () => child.stop());
  await child.waitFor(/there/);
  const path = /\/dev\/loop\d+/.exec(child.stdout())?.[0] ?? "";
  const isThere = attachmentOf(path);
  process.kill(child.pid, "SIGKILL");
  await child.stop();
  return { path, isThere };
}

it("status and doctor say how much it holds, and recover frees it before it forgets the disk", () =>
  withPlace(async (place) => {
    const mountpoint = place.makeDirectory("up");
    const { path, isThere } = await killedContainer(place, mountpoint, 128);
    const hasNoPath = (): boolean =>
      isThere() && readLoopDevices().find((loop) => loop.path === path)?.backingFile === "/disk";
    await until(hasNoPath, END_MS, "a loop device without a path");
    place.cleanup.add(path, async () => {
      if (isThere()) await run("losetup", ["-d", path], { allowFail: true });
    });
    const id = createHash("sha256").update(mountpoint).digest("hex").slice(0, 16);
    const records = (): string[] => readdirSync("/run/kmemfs").filter((name) => name === `${id}.json`);

    const status = await place.kmemfs(["status"]);
    expect(status.stderr).toContain(`${path} holds `);
    expect(status.stderr).toContain(`of the disk ${mountpoint}, which is dead and no longer mounted`);
    const { orphans } = JSON.parse((await place.kmemfs(["status", "-J"])).stdout);
    const [orphan] = orphans.filter((one: { loopDevice: string }) => one.loopDevice === path);
    expect(orphan.mountpoint).toBe(mountpoint);
    expect(orphan.heldBytes / MIB).toBeGreaterThan(128);
    const doctor = await place.refused(["doctor"]);
    expect(doctor.stdout).toContain(`${path} holds `);

    // Somebody has it open: it stays, and so does what tells whose it is.
    const user = await sleeperAfter(place, `exec 9<${path}`);
    const refused = await place.refused(["recover", mountpoint]);
    expect(refused.stderr).toContain(`${path} is in use by sleep (pid ${user.pid}, ${path})`);
    expect([isThere(), records().length]).toEqual([true, 1]);
    await user.stop();

    const { stdout } = await place.kmemfs(["recover", mountpoint]);
    expect(stdout).toContain(`detached ${path}\n`);
    // All its processes are gone: the loop device was the last that held the file, and its memory.
    await until(() => !isThere(), END_MS, `${path} to be detached`);
    expect([records(), existsSync(`/run/kmemfs/${id}.lock`)]).toEqual([[], false]);
  }));
