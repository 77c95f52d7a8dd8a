/** A file system that somebody has frozen: its waiting writers go on before the disk goes. */
import { existsSync, readFileSync } from "node:fs";
import { expect } from "vitest";
import { statusOf } from "../support/disk.js";
import { logOf } from "../support/log.js";
import { isMounted, withPlace } from "../support/place.js";
import { run, start, until } from "../support/processes.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, loop: true, commands: ["mkfs.ext4", "fsfreeze", "e2fsck"] });

const END_MS = 60_000;

it("SIGTERM thaws it, and what a writer waited for is in the pool", () =>
  withPlace(async (place) => {
    const pool = place.path("pool");
    const mountpoint = place.makeDirectory("up");
    place.endsWithUs(mountpoint);
    await place.kmemfs(["up", mountpoint, "--pool", pool, "--create", "--size", "64M"]);
    const { holderPid, loopDevices } = await statusOf(mountpoint);
    await run("fsfreeze", ["--freeze", mountpoint]);
    place.cleanup.add("thaw", () => run("fsfreeze", ["--unfreeze", mountpoint], { allowFail: true }));
    const writer = start("sh", ["-c", `echo begins; echo late > ${mountpoint}/late`]);
    place.cleanup.add("writer", () => writer.stop());
    await writer.waitFor(/begins/);
    await until(() => isWaiting(writer.pid), END_MS, "the writer to wait");
    process.kill(holderPid, "SIGTERM");
    await until(() => !existsSync(`/proc/${holderPid}`), END_MS, "the holder to end");
    await until(() => !existsSync(`/proc/${writer.pid}`), END_MS, "the writer to end");
    expect([isMounted(mountpoint), place.isAttached(loopDevices[0])]).toEqual([false, false]);
    await place.kmemfs(["up", mountpoint, "--pool", pool]);
    expect((await run("cat", [`${mountpoint}/late`])).stdout).toBe("late\n");
    await place.kmemfs(["down", mountpoint]);
    await place.expectNothingLeft();
  }));

it("a SIGTERM that is refused leaves it frozen, and writes out the others", () =>
  withPlace(async (place) => {
    const mountpoint = place.makeDirectory("up");
    place.endsWithUs(mountpoint);
    await place.kmemfs(["up", mountpoint, "--size", "64M"]);
    const { holderPid } = await statusOf(mountpoint);
    const inside = `${mountpoint}/inside`;
    await run("sh", ["-c", `mkdir ${inside} && mount -t tmpfs mine ${inside}`]);
    place.cleanup.add(inside, () => run("umount", [inside], { allowFail: true }));
    await run("fsfreeze", ["--freeze", mountpoint]);
    place.cleanup.add("thaw", () => run("fsfreeze", ["--unfreeze", mountpoint], { allowFail: true }));
    const isRefused = (): boolean => logOf(mountpoint).some(({ msg }) => msg.startsWith("not stopped: "));
    process.kill(holderPid, "SIGTERM");
    await until(isRefused, END_MS, "the refusal in the log");
    // What is frozen cannot be frozen.
    const again = await run("fsfreeze", ["--freeze", mountpoint], { allowFail: true });
    expect([again.status, again.stderr]).toEqual([1, expect.stringContaining("busy")]);
    await run("fsfreeze", ["--unfreeze", mountpoint]);
    await run("umount", [inside]);
    await place.kmemfs(["down", mountpoint]);
    await place.expectNothingLeft();
  }));

it("down thaws one that nobody waits for", () =>
  withPlace(async (place) => {
    const mountpoint = place.makeDirectory("up");
    place.endsWithUs(mountpoint);
    await place.kmemfs(["up", mountpoint, "--size", "64M"]);
    await run("fsfreeze", ["--freeze", mountpoint]);
    place.cleanup.add("thaw", () => run("fsfreeze", ["--unfreeze", mountpoint], { allowFail: true }));
    await place.kmemfs(["down", mountpoint]);
    expect(isMounted(mountpoint)).toBe(false);
    await place.expectNothingLeft();
  }));

/** In an uninterruptible sleep: it waits for the file system. */
function isWaiting(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.charAt(stat.lastIndexOf(")") + 2) === "D";
  } catch {
    return false;
  }
}
