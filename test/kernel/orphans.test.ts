/** A container with a disk in it is killed: its loop device, whose file has no path any more, is found and freed. */

import { createHash } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { expect } from "vitest";
import { type LoopDevice, readLoopDevices } from "../../src/linux/proc/loopDevices.js";
import { type Place, withPlace } from "../support/place.js";
import { run, start, until } from "../support/processes.js";
import { kmemfsProgram, withTestedIo } from "../support/project.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, loop: true, commands: ["mkfs.ext4", "unshare"] });

const END_MS = 60_000;
const MIB = 2 ** 20;

interface Statuses {
  readonly mounts: readonly { readonly loopDevices: readonly string[] }[];
}

/** A disk of `up` with `bytes` in it, in a mount and pid namespace that is killed then. @returns its loop device */
async function killedContainer(place: Place, mountpoint: string, mebibytes: number): Promise<LoopDevice> {
  const up = ["up", mountpoint, "--size", "256M"];
  const words = [process.execPath, kmemfsProgram, ...withTestedIo(up)].join(" ");
  const fill = `dd if=/dev/zero of=${mountpoint}/x bs=1M count=${mebibytes} conv=fsync status=none`;
  const look = `${process.execPath} ${kmemfsProgram} status ${mountpoint} -J`;
  const line = `${words} && ${fill} && ${look} && echo there && exec sleep 60`;
  const child = start("unshare", ["-mpf", "--kill-child", "--propagation", "private", "sh", "-c", line]);
  place.cleanup.add("the container", () => child.stop());
  await child.waitFor(/there/);
  const [path] = (JSON.parse(child.stdout().replace(/^[^{]*|there\s*$/g, "")) as Statuses).mounts[0]?.loopDevices ?? [];
  const device = readLoopDevices().find((one) => one.path === path);
  if (device === undefined) throw new Error(`no loop device in ${child.stdout()}`);
  process.kill(child.pid, "SIGKILL");
  await child.stop();
  return device;
}

it("status and doctor say how much it holds, and recover frees it before it forgets the disk", () =>
  withPlace(async (place) => {
    const mountpoint = place.makeDirectory("up");
    const { path, diskSeq } = await killedContainer(place, mountpoint, 128);
    const found = () => readLoopDevices().find((one) => one.path === path && one.diskSeq === diskSeq);
    await until(() => found()?.backingFile === "/disk", END_MS, "the loop device to have lost its path");
    place.cleanup.add(path, () => run("losetup", ["-d", path], { allowFail: true }));
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
    const user = start("sh", ["-c", `exec 9<${path}; echo open; exec sleep 60`]);
    place.cleanup.add("sleep", () => user.stop());
    await user.waitFor(/open/);
    const refused = await place.refused(["recover"]);
    // A command about another disk may have a look at the same moment.
    expect(refused.stderr).toMatch(new RegExp(`${path} is in use by .*sleep \\(pid ${user.pid}, ${path}\\)`));
    expect([found()?.path, records().length]).toEqual([path, 1]);
    await user.stop();

    const { stdout } = await place.kmemfs(["recover", mountpoint]);
    expect(stdout).toContain(`detached ${path}\n`);
    // All its processes are gone: the loop device was the last that held the file, and its memory.
    await until(() => found() === undefined, END_MS, `${path} to be detached`);
    expect([records(), existsSync(`/run/kmemfs/${id}.lock`)]).toEqual([[], false]);
  }));
