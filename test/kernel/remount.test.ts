/** mount -o remount makes a disk read-only, writable again, larger and smaller, or says why not. */
import { readFileSync } from "node:fs";
import { expect } from "vitest";
import type { Disk } from "../support/disk.js";
import { installHelper } from "../support/mountHelper.js";
import { type Place, withPlace } from "../support/place.js";
import { type RunResult, run } from "../support/processes.js";
import { kmemfsProgram } from "../support/project.js";
import { requires } from "../support/requires.js";
import { sleeperAfter } from "../support/sleeper.js";

const { it } = requires({
  root: true,
  fuse: true,
  loop: true,
  commands: ["mount", "losetup", "xfs_io", "unshare", "setpriv"],
});

const MIB = 2 ** 20;

const remount = (disk: Disk, options: string): Promise<RunResult> =>
  run("mount", ["-o", `remount,${options}`, disk.directory], { allowFail: true });

async function mounted(place: Place, ...args: string[]): Promise<Disk> {
  installHelper(place);
  return place.mount({ size: "64M", args: ["--max-size", "128M", ...args] });
}

/** mountinfo's options of the mount. */
const flagsOf = (disk: Disk): string =>
  readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .find((line) => line.includes(` ${disk.directory} `))
    ?.split(" ")[5] ?? "";

const failure = (code: number, words: RegExp): object => ({ status: code, stderr: expect.stringMatching(words) });

it("ro and rw, and the other flags stay", () =>
  withPlace(async (place) => {
    const disk = await mounted(place);
    await run("mount", ["-i", "-o", "remount,bind,noexec,nosuid,nodev,noatime", disk.directory]);
    expect(await remount(disk, "ro")).toMatchObject({ status: 0, stderr: "" });
    expect(flagsOf(disk)).toBe("ro,nosuid,nodev,noexec,noatime");
    expect(await disk.status()).toMatchObject({ readOnly: true });
    const write = await run("xfs_io", ["-c", "pwrite 0 4k", disk.file], { allowFail: true });
    expect(write).toMatchObject(failure(1, /Read-only file system/));
    await run("dd", [`if=${disk.file}`, "of=/dev/null", "bs=4k", "count=1", "status=none"]);
    expect(await remount(disk, "rw")).toMatchObject({ status: 0, stderr: "" });
    expect(flagsOf(disk)).toBe("rw,nosuid,nodev,noexec,noatime");
    expect(await disk.status()).toMatchObject({ readOnly: false });
    await disk.io("pwrite -q 0 4k");
    await disk.unmount();
    await place.expectNothingLeft();
  }));

it("ro names what writes to the disk", () =>
  withPlace(async (place) => {
    const disk = await mounted(place);
    const loop = await disk.loop();
    const refused = await remount(disk, "ro");
    expect(refused).toMatchObject(failure(32, /^kmemfs: remount .* can write to the disk \(EBUSY\)\ntry: .*\n$/));
    expect(refused.stderr).toContain(`losetup -d ${loop}`);
    await place.detach(loop);
    const writer = await sleeperAfter(place, `exec 3<>'${disk.file}'`);
    expect(await remount(disk, "ro")).toMatchObject(failure(32, new RegExp(`\\(pid ${writer.pid}, .*\\(EBUSY\\)`)));
    expect(await disk.status()).toMatchObject({ readOnly: false });
    await writer.stop();
    const reading = await disk.loop(["--read-only"]);
    expect(await remount(disk, "ro")).toMatchObject({ status: 0, stderr: "" });
    await place.detach(reading);
  }));

it("size grows to the maximum, and shrinks as far as nothing is written", () =>
  withPlace(async (place) => {
    const disk = await mounted(place);
    await disk.io("pwrite -q -S 0x61 0 1m");
    const before = await disk.sum(0, MIB);
    expect(await remount(disk, "size=128M")).toMatchObject({ status: 0, stderr: "" });
    expect(await disk.stat()).toMatchObject({ sizeBytes: 128 * MIB });
    expect(await disk.status()).toMatchObject({ sizeBytes: 128 * MIB });
    await disk.io("pwrite -q -S 0x62 127m 1m");
    expect(await remount(disk, "size=256M")).toMatchObject(failure(32, /formatted for at most 128\.0 MiB .*EFBIG/));
    expect(await remount(disk, "size=32M")).toMatchObject(failure(32, /data beyond 32\.0 MiB would be lost/));
    expect(await disk.sum(0, MIB)).toBe(before);
    expect(await remount(disk, "ro,size=64M")).toMatchObject(failure(32, /would be lost/));
    expect(await disk.status()).toMatchObject({ sizeBytes: 128 * MIB, readOnly: false });
    expect(await remount(disk, "ro")).toMatchObject({ status: 0 });
    expect(await remount(disk, "size=128M")).toMatchObject({ status: 0, stderr: "" });
    expect(await remount(disk, "size=100M")).toMatchObject(failure(32, /would be lost|read-only disk/));
  }));

it("what else was said at the mount cannot be changed, and a disk of --read-only not written to", () =>
  withPlace(async (place) => {
    const pool = place.path("pool");
    installHelper(place);
    await place.kmemfs(["format", pool, "--size", "16M", "--split"]);
    const disk = await place.mount({ pool, args: ["--read-only"] });
    expect(await remount(disk, "rw")).toMatchObject(failure(32, /was mounted read-only.*EROFS/));
    expect(await remount(disk, "ro,allow_other")).toMatchObject(failure(1, /allow_other: cannot be changed/));
    expect(await remount(disk, "ro,numa-node=0,watchdog=3")).toMatchObject(failure(1, /^kmemfs: .*\ntry: .*\n/));
    expect(await remount(disk, "ro,watchdog=10,create")).toMatchObject({ status: 0, stderr: "" });
  }));

it("kmemfs mount -o remount does the same, and users are refused", () =>
  withPlace(async (place) => {
    const disk = await mounted(place);
    const kmemfs = (...options: string[]): Promise<RunResult> =>
      place.refused(["mount", "-o", ["remount", ...options].join(","), disk.directory]);
    expect(await kmemfs("size=100M", "ro")).toMatchObject({
      status: 0,
      stdout: `${disk.file}: 100.0 MiB, read-only\n`,
    });
    expect(await kmemfs("rw", "size=64M")).toMatchObject({
      status: 0,
      stdout: `${disk.file}: 64.0 MiB, read-write\n`,
    });
    const asUser = ["--reuid=65534", "--clear-groups", process.execPath, kmemfsProgram];
    const user = await run("setpriv", [...asUser, "mount", "-o", "remount,ro", disk.directory], { allowFail: true });
    expect(user).toMatchObject(failure(1, /only root can change a mount \(EPERM\)\ntry: /));
    const nowhere = await place.refused(["mount", "-o", "remount,ro", place.makeDirectory("empty")]);
    expect(nowhere).toMatchObject(failure(1, /not a kmemfs disk \(EINVAL\)/));
  }));

it("the smaller size of fstab is not what a remount is asked for", () =>
  withPlace(async (place) => {
    const disk = await mounted(place);
    const line = `none ${disk.directory} fuse.kmemfs size=64M,max-size=128M 0 0`;
    const inNamespace = (options: string): Promise<RunResult> => {
      const script = `echo '${line}' >${place.path("fstab")} && mount --bind ${place.path("fstab")} /etc/fstab &&
        mount -o remount,${options} ${disk.directory}`;
      return run("unshare", ["-m", "sh", "-c", script], { allowFail: true });
    };
    expect(await inNamespace("size=128M")).toMatchObject({ status: 0, stderr: "" });
    expect(await disk.status()).toMatchObject({ sizeBytes: 128 * MIB });
    expect(await inNamespace("rw")).toMatchObject({
      status: 0,
      stderr: expect.stringMatching(/its size stays 128\.0 MiB/),
    });
    expect(await disk.status()).toMatchObject({ sizeBytes: 128 * MIB });
    expect(await inNamespace("size=64M")).toMatchObject({ status: 0, stderr: "" });
    expect(await disk.status()).toMatchObject({ sizeBytes: 64 * MIB });
  }));
