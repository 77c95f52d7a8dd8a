/** Ends and beginnings under adverse conditions keep data and leave nothing behind. */
import { existsSync, statSync } from "node:fs";
import { expect } from "vitest";
import { statusOf } from "../support/disk.js";
import { isLongForm } from "../support/longForm.js";
import { isMounted, withPlace } from "../support/place.js";
import { run, until } from "../support/processes.js";
import { requires } from "../support/requires.js";
import { sleeperAfter } from "../support/sleeper.js";

const { it } = requires({ root: true, fuse: true, loop: true, commands: ["mkfs.ext4", "mkfs.btrfs", "lsattr"] });

const END_MS = 60_000;
const ROUNDS_AT_ONCE = isLongForm ? 8 : 2;

it("SIGTERM while a process is on the file system: what was written before is in the pool", () =>
  withPlace(async (place) => {
    const pool = place.path("pool");
    const mountpoint = place.makeDirectory("up");
    await place.kmemfs(["up", mountpoint, "--pool", pool, "--create", "--size", "128M"]);
    place.endsWithUs(mountpoint);
    await run("dd", ["if=/dev/urandom", `of=${mountpoint}/a`, "bs=1M", "count=5", "status=none"]);
    const sum = (await run("md5sum", [`${mountpoint}/a`])).stdout.split(" ")[0];
    const sleeper = await sleeperAfter(place, `cd ${mountpoint}`);
    const { holderPid, loopDevices } = await statusOf(mountpoint);
    process.kill(holderPid, "SIGTERM");
    await until(() => !existsSync(`/proc/${holderPid}`), END_MS, "the holder to end");
    await sleeper.stop();
    await until(() => !place.isAttached(loopDevices[0]), END_MS, "the loop device to go");
    await place.kmemfs(["up", mountpoint, "--pool", pool]);
    expect((await run("md5sum", [`${mountpoint}/a`])).stdout.split(" ")[0]).toBe(sum);
    await place.kmemfs(["down", mountpoint]);
    await place.expectNothingLeft();
  }));

it("trim works on a thin pool that is full", () =>
  withPlace(async (place) => {
    const mountpoint = place.makeDirectory("up");
    await place.kmemfs(["up", mountpoint, "--size", "512M", "--pool-size", "64M"]);
    place.endsWithUs(mountpoint);
    const dd = ["if=/dev/zero", `of=${mountpoint}/x`, "bs=1M", "count=100", "conv=fsync", "status=none"];
    expect((await run("dd", dd, { allowFail: true })).status).not.toBe(0);
    await run("rm", [`${mountpoint}/x`], { allowFail: true });
    await place.kmemfs(["trim", mountpoint]);
    await place.kmemfs(["down", mountpoint]);
  }));

it("of two that start on one directory at once, one wins and nothing of the other stays", () =>
  withPlace(async (place) => {
    const mountpoint = place.makeDirectory("up");
    place.endsWithUs(mountpoint);
    const up = () => place.kmemfs(["up", mountpoint, "--size", "32M"], { allowFail: true });
    // The loser once took the winner's private directory away, in the moment before it was mounted on.
    for (let round = 0; round < ROUNDS_AT_ONCE; round++) {
      const both = await Promise.all([up(), up()]);
      expect(both.map((result) => result.status).sort(), both.map((result) => result.stderr).join("")).toEqual([0, 1]);
      await place.kmemfs(["down", mountpoint]);
      expect(isMounted(mountpoint)).toBe(false);
    }
    await place.expectNothingLeft();
  }));

it("an aborted mount that somebody holds open is taken away", () =>
  withPlace(async (place) => {
    const disk = await place.mount({ pool: "memfd", size: "16M" });
    const { holderPid } = await disk.status();
    await sleeperAfter(place, `exec < ${disk.file}`);
    await run("umount", ["-f", disk.directory], { allowFail: true });
    await until(() => !existsSync(`/proc/${holderPid}`), END_MS, "the holder to end");
    expect(isMounted(disk.directory)).toBe(false);
  }));

it("a damaged index is refused, but can be mounted read-only to copy the data off", () =>
  withPlace(async (place) => {
    const pool = place.path("pool");
    const disk = await place.mount({ pool, size: "16M", args: ["--create"] });
    await disk.io("pwrite -q -S 0x21 0 8k");
    await disk.unmount();
    // Block 1 gets a page number far outside.
    await run("sh", [
      "-c",
      `printf '\\377\\377\\377\\177' | dd of=${pool} bs=1 seek=$((4096+8)) conv=notrunc status=none`,
    ]);
    const directory = place.makeDirectory("damaged");
    await place.refused(["mount", pool, directory]);
    await place.kmemfs(["mount", pool, directory, "--read-only"]);
    place.endsWithUs(directory);
    const first = await run("dd", [`if=${directory}/disk`, "bs=4k", "count=1", "status=none"]);
    expect(first.stdout).toBe("!".repeat(4096));
    const second = await run("dd", [`if=${directory}/disk`, "bs=4k", "skip=1", "count=1"], { allowFail: true });
    expect(second.stderr).toMatch(/Input\/output error/);
    await place.kmemfs(["unmount", directory]);
  }));

it("a pool on btrfs is not copied on write, and is discarded when btrfs is full", () =>
  withPlace(async (place) => {
    const image = place.path("image");
    await run("truncate", ["-s", "300M", image]);
    const device = await place.loop(image);
    await place.makeFileSystem("btrfs", device);
    const files = await place.mountFileSystem("btrfs", device);
    await place.kmemfs(["format", `${files}/split`, "--split", "--size", "16M"]);
    const members = (await run("lsattr", [`${files}/split`])).stdout.trim().split("\n");
    expect(members.map((line) => /^\S*C\S* /.test(line))).toEqual([true, true]);
    const pool = `${files}/pool`;
    const disk = await place.mount({ pool, size: "64M", args: ["--create"] });
    expect((await run("lsattr", [pool])).stdout).toMatch(/^\S*C\S* /);
    await disk.io("pwrite -q -b 1m 0 32m", "fsync");
    await run("sh", ["-c", `dd if=/dev/zero of=${files}/fill bs=1M status=none; sync -f ${files}`], {
      allowFail: true,
    });
    const { serverPid } = await disk.status();
    await disk.io("fpunch 0 16m", "fsync");
    expect((await disk.status()).usedBytes).toBe(16 * 2 ** 20);
    expect((await disk.status()).serverPid).toBe(serverPid);
    expect(statSync(`/proc/${serverPid}`).isDirectory()).toBe(true);
    await disk.unmount();
  }));
