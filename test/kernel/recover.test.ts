/**
 * recover: says what it will do, clears what killed processes left, brings back what has a pool, and touches
 * nothing that lives. Each run is given the disk's name, as others may test on this machine.
 */
import { existsSync } from "node:fs";
import { expect } from "vitest";
import { readLoopDevices } from "../../src/linux/proc/loopDevices.js";
import { readMounts } from "../../src/linux/proc/mounts.js";
import type { MountStatus } from "../../src/mounts/status.js";
import type { DeadDisk } from "../../src/recover/deadDisk.js";
import { findDeadDisks } from "../../src/recover/find.js";
import { withNameLock } from "../../src/recover/withNameLock.js";
import { attachmentOf } from "../support/attachment.js";
import { type Disk, statusOf } from "../support/disk.js";
import { killBoth, signal } from "../support/killed.js";
import { isLongForm, someOf } from "../support/longForm.js";
import { controlSocket, isMounted, type Place, withPlace } from "../support/place.js";
import { type Background, type RunResult, run, start, until } from "../support/processes.js";
import { kmemfsProgram } from "../support/project.js";
import { requires } from "../support/requires.js";
import { userPlace } from "../support/userPlace.js";

const { it, longIt } = requires({ root: true, fuse: true, loop: true, commands: ["mkfs.ext4", "xfs_io", "mkswap"] });

const END_MS = 60_000;
const recover = (place: Place, ...args: string[]): Promise<RunResult> => place.kmemfs(["recover", ...args]);

const lockOf = (directory: string): string => controlSocket(directory).replace("sock", "lock");

/** A process that has a file open. */
async function reader(place: Place, file: string): Promise<Background> {
  const child = start("tail", ["-f", file], { cwd: "/" });
  place.cleanup.add("tail", () => child.stop());
  await child.waitFor(/kept/);
  return child;
}

async function fileSystemOn(place: Place, disk: Disk): Promise<{ readonly device: string; readonly files: string }> {
  const device = await disk.loop();
  await place.makeFileSystem("ext4", device);
  return { device, files: await place.mountFileSystem("ext4", device) };
}

it("clears a file system with an open file and a bind mount, and leaves a living disk beside it alone", () =>
  withPlace(async (place) => {
    const living = await place.mount({ name: "living", size: "32M" });
    await living.io("pwrite -q -S 0x77 0 1m");
    const disk = await place.mount({ name: "dying", size: "64M" });
    const { device, files } = await fileSystemOn(place, disk);
    await run("sh", ["-c", `mkdir ${files}/sub && echo kept > ${files}/sub/a && sync -f ${files}`]);
    const bound = place.makeDirectory("bound");
    await run("mount", ["--bind", `${files}/sub`, bound]);
    place.cleanup.add(bound, () => place.umount(bound));
    const tail = await reader(place, `${files}/sub/a`);
    const isAttached = attachmentOf(device);
    await killBoth(await disk.status());

    const planned = await recover(place, "--dry-run", disk.directory);
    const by = `in use by tail (pid ${tail.pid}, ${files}/sub/a)`;
    const plan = [
      `${disk.directory}: dead; its processes are gone`,
      `  will unmount ${bound} (ext4 on ${device}), lazily if still ${by}`,
      `  will unmount ${files} (ext4 on ${device}), lazily if still ${by}`,
      `  will detach ${device}`,
      `  will unmount the dead mount ${disk.directory}`,
      "  will remove its files from the state directory",
    ];
    expect(planned.stdout.trimEnd().split("\n")).toEqual(plan);
    expect([isMounted(bound), isMounted(files), isMounted(disk.directory)]).toEqual([true, true, true]);

    const done = (await recover(place, disk.directory)).stdout.trimEnd().split("\n");
    expect(done.slice(0, plan.length)).toEqual(plan);
    expect(done.slice(plan.length)).toEqual([
      `unmounted ${bound} (ext4 on ${device})`,
      `detached ${files} (ext4 on ${device}) lazily: still ${by}`,
      `${device} will be detached when its last user closes it`,
      expect.stringMatching(new RegExp(`^detached the dead mount ${disk.directory} lazily: `)),
      "removed its files from the state directory",
    ]);
    expect([isMounted(bound), isMounted(files), isMounted(disk.directory)]).toEqual([false, false, false]);
    for (const end of ["sock", "lock", "json"]) {
      expect(existsSync(controlSocket(disk.directory).replace("sock", end))).toBe(false);
    }
    const again = await recover(place, disk.directory);
    expect(again).toMatchObject({ status: 0, stdout: `${disk.directory}: nothing to recover\n`, stderr: "" });

    expect(isMounted(living.directory)).toBe(true);
    expect((await living.status()).usedBytes).toBe(2 ** 20);
    expect((await recover(place, living.directory)).stdout).toBe(`${living.directory}: nothing to recover\n`);
    expect(await living.io("pread -q 0 1m")).toBe("");
    await tail.stop();
    await until(() => !isAttached(), END_MS, "the loop device to be free");
    // The place is free again.
    await place.mount({ name: "dying", size: "16M" });
  }));

for (const kind of someOf(["file", "directory"] as const, 1)) {
  it(`--up brings a pool in a ${kind} back with its data`, () =>
    withPlace(async (place) => {
      const pool = place.path("pool");
      if (kind === "directory") await place.kmemfs(["format", "--split", "--size", "32M", pool]);
      const args = kind === "directory" ? [] : ["--create"];
      const disk = await place.mount({ pool, args, ...(kind === "file" ? { size: "32M" } : {}) });
      await disk.io("pwrite -q -S 0x21 -b 1m 3m 8m", "fpunch 4m 1m", "fsync");
      const sum = await disk.sum();
      const { io } = await disk.status();
      await killBoth(await disk.status());
      const { stdout } = await recover(place, "--up", disk.directory);
      expect(stdout).toContain(`  will bring it back: kmemfs mount ${pool} ${disk.directory}\n`);
      expect(stdout).toContain(`mounted ${pool} on ${disk.directory}\n`);
      expect(await disk.sum()).toBe(sum);
      expect(await disk.status()).toMatchObject({ io, pool: { path: pool }, mountpoint: disk.directory });
    }));
}

it("--up brings a disk of up back with its file system, and says where a pool is gone", () =>
  withPlace(async (place) => {
    const directory = place.makeDirectory("files");
    place.cleanup.add(directory, () => place.refused(["down", directory]));
    const pool = place.path("pool");
    await place.kmemfs(["up", directory, "--pool", pool, "--create", "--size", "64M"]);
    await run("sh", ["-c", `echo kept > ${directory}/a && sync -f ${directory}`]);
    const before = await statusOf(directory);
    await killBoth(before);
    const { stdout } = await recover(place, "--up", directory);
    expect(stdout).toContain(`  will bring it back: kmemfs up ${directory} --pool ${pool}\n`);
    expect((await run("cat", [`${directory}/a`])).stdout).toBe("kept\n");
    const after = await statusOf(directory);
    expect(after).toMatchObject({ mountpoint: directory, file: before.file, io: before.io });
    expect(after.loopDevices).toHaveLength(1);
    await place.kmemfs(["down", directory]);

    await place.kmemfs(["up", directory, "--size", "64M"]);
    await killBoth(await statusOf(directory));
    const gone = await recover(place, "--up", directory);
    expect(gone.stdout).toContain("cannot be brought back: its pool was in the memory of its processes");
    expect(isMounted(directory)).toBe(false);
    await place.expectNothingLeft();
  }));

longIt("leaves a disk that another process has the name of, and one that it has brought back", () =>
  withPlace(async (place) => {
    const pool = place.path("pool");
    const disk = await place.mount({ pool, args: ["--create"], size: "16M" });
    await killBoth(await disk.status());
    const name = start("flock", ["-F", lockOf(disk.directory), "sh", "-c", "echo taken; exec sleep 3600"]);
    place.cleanup.add("flock", () => name.stop());
    await name.waitFor(/taken/);
    for (const args of [[], ["--up"]]) {
      const result = await place.refused(["recover", ...args, disk.directory]);
      expect(result).toMatchObject({ status: 1, stdout: "" });
      expect(result.stderr).toContain(`recover ${disk.directory}: another process is clearing it or bringing it back`);
    }
    await name.stop();

    const found = await findDeadDisks();
    const dead = found.deadDisks.find((remains) => remains.mountpoint === disk.directory) as DeadDisk;
    let looks = 0;
    const look = async (remains: DeadDisk): Promise<string> => {
      looks += 1;
      const both = await place.refused(["recover", disk.directory]);
      expect(both).toMatchObject({
        status: 1,
        stderr: expect.stringContaining("another process is clearing it or bringing it back"),
      });
      return remains.mountpoint;
    };
    expect(await withNameLock(dead, found, look)).toBe(disk.directory);
    await recover(place, "--up", disk.directory);
    // The kernel gives the same numbers again, if nobody else got them.
    const stale = { ...dead, dead: readMounts().filter((mount) => mount.mountpoint === disk.directory) };
    await expect(withNameLock(stale, found, look)).rejects.toThrow(
      "another process is clearing it or bringing it back",
    );
    expect(looks).toBe(1);
    // Served without a holder, it has no name.
    const { holderPid, serverPid } = await disk.status();
    const server = serverPid ?? 0;
    signal(server, "SIGSTOP");
    const end = (): void => void (existsSync(`/proc/${server}`) && signal(server, "SIGKILL"));
    place.cleanup.add("the server", end);
    process.kill(holderPid, "SIGKILL");
    await until(() => !existsSync(`/proc/${holderPid}`), END_MS, "the holder to end");
    expect(await withNameLock(stale, found, look)).toBeNull();
    expect([looks, isMounted(disk.directory)]).toEqual([1, true]);
    end();
    await until(() => !existsSync(`/proc/${server}`), END_MS, "the server to end");
    await recover(place, disk.directory);
    await place.expectNothingLeft();
  }),
);

longIt("two at once bring it back once", () =>
  withPlace(async (place) => {
    const pool = place.path("pool");
    const disk = await place.mount({ pool, args: ["--create"], size: "16M" });
    await disk.io("pwrite -q -S 0x21 0 1m", "fsync");
    const sum = await disk.sum();
    await killBoth(await disk.status());
    const both = await Promise.all([1, 2].map(() => place.refused(["recover", "--up", disk.directory])));
    const said = both.map(({ stdout, stderr }) => stdout + stderr);
    expect(said.filter((text) => text.includes(`mounted ${pool} on ${disk.directory}\n`))).toHaveLength(1);
    expect(await disk.sum()).toBe(sum);
  }),
);

longIt("leaves a loop device of a path that is another disk's in another mount namespace", () =>
  withPlace(async (place) => {
    const directory = place.makeDirectory("disk");
    const line = `mount -t tmpfs other ${directory} && truncate -s 1M ${directory}/disk`;
    const attach = `losetup --find --show ${directory}/disk && exec sleep 3600`;
    const namespace = start("unshare", ["-m", "sh", "-c", `${line} && ${attach}`]);
    place.cleanup.add("the namespace", () => namespace.stop());
    await namespace.waitFor(/dev.loop\d+\n/);
    const others = readLoopDevices().find((loop) => loop.backingFile === `${directory}/disk`)?.path ?? "";
    place.cleanup.add(others, () => place.detach(others));
    const disk = await place.mount({ size: "16M" });
    const device = await disk.loop();
    await killBoth(await disk.status());
    const { stdout } = await recover(place, directory);
    expect(stdout).toContain(
      `${directory}: ${others} is attached to a different file of that path, and is left alone\n`,
    );
    expect(stdout).toContain(`detached ${device}\nunmounted the dead mount ${directory}\n`);
    expect([place.isAttached(others), place.isAttached(device)]).toEqual([true, false]);
  }),
);

it("unmount names what is on a dead disk, and by force says what it leaves", () =>
  withPlace(async (place) => {
    const disk = await place.mount({ size: "64M" });
    const { device, files } = await fileSystemOn(place, disk);
    const isAttached = attachmentOf(device);
    await killBoth(await disk.status());
    const { status, stderr } = await place.refused(["unmount", disk.directory]);
    expect([status, stderr]).toEqual([
      1,
      `kmemfs: unmount ${disk.directory}: ${device} is attached to its file, mounted on ${files} (EBUSY)\n` +
        `try: kmemfs down ${disk.directory}\n`,
    ]);
    const { stdout } = await place.kmemfs(["unmount", "--force", disk.directory]);
    expect(stdout).toBe(`still to do: umount ${files}\nstill to do: losetup -d ${device}\n`);
    // The device's file has lost the path by which a place knows its own: what is said is done.
    for (const command of stdout.trimEnd().split("\n")) await run("sh", ["-c", command.replace("still to do: ", "")]);
    await until(() => !isAttached(), END_MS, `${device} to be detached`);
    await place.expectNothingLeft();
  }));

longIt("turns swap off first", () =>
  withPlace(async (place) => {
    const disk = await place.mount({ size: "64M" });
    const device = await disk.loop();
    await run("mkswap", [device]);
    place.cleanup.add("swap", () => run("swapoff", [device], { allowFail: true }));
    await run("swapon", [device]);
    await killBoth(await disk.status());
    const { stdout } = await recover(place, disk.directory);
    expect(stdout.trimEnd().split("\n").slice(-4)).toEqual([
      `swapoff ${device}`,
      `detached ${device}`,
      `unmounted the dead mount ${disk.directory}`,
      "removed its files from the state directory",
    ]);
    await place.expectNothingLeft();
  }),
);

/** A shared tree with a mount inside, bound into `files` as a chroot has /dev. @returns the inner mount, and its copy */
async function sharedTree(place: Place, files: string): Promise<{ readonly inner: string; readonly copy: string }> {
  const outer = await place.tmpfs("1M", "shared");
  await run("mount", ["--make-shared", outer]);
  const inner = await place.tmpfs("1M", "shared/inner");
  const copy = `${files}/dev/inner`;
  await run("mkdir", [`${files}/dev`]);
  await run("mount", ["--rbind", outer, `${files}/dev`]);
  place.cleanup.add(copy, async () => {
    for (const path of [copy, `${files}/dev`]) await run("mount", ["--make-private", path], { allowFail: true });
    for (const path of [copy, `${files}/dev`]) await place.umount(path);
  });
  return { inner, copy };
}

longIt("what is bound into the disk with --rbind stays where it comes from", () =>
  withPlace(async (place) => {
    const disk = await place.mount({ size: "64M" });
    const { files } = await fileSystemOn(place, disk);
    const { inner, copy } = await sharedTree(place, files);
    expect([isMounted(inner), isMounted(copy)]).toEqual([true, true]);
    await killBoth(await disk.status());
    const { stdout } = await recover(place, disk.directory);
    expect(stdout).toContain(`unmounted ${copy} (tmpfs on tmpfs)\nunmounted ${files}/dev (tmpfs on tmpfs)\n`);
    expect([isMounted(inner), isMounted(copy), isMounted(files)]).toEqual([true, false, false]);
  }),
);

longIt("and where SIGTERM to the holder detaches the disk's file system", () =>
  withPlace(async (place) => {
    const disk = await place.mount({ size: "64M" });
    const { files } = await fileSystemOn(place, disk);
    const { inner, copy } = await sharedTree(place, files);
    const { holderPid } = await disk.status();
    process.kill(holderPid, "SIGTERM");
    await until(() => !existsSync(`/proc/${holderPid}`), END_MS, "the holder to end");
    expect([isMounted(inner), isMounted(copy), isMounted(files)]).toEqual([true, false, false]);
  }),
);

it("what lives on a dead disk is left, and named", () =>
  withPlace(async (place) => {
    const disk = await place.mount({ size: "64M" });
    const { files } = await fileSystemOn(place, disk);
    await run("mkdir", [`${files}/tmp`]);
    await place.tmpfs("1M", "files/tmp");
    await killBoth(await disk.status());
    const result = await place.refused(["recover", disk.directory]);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain(
      `recover ${disk.directory}: ${files}/tmp (tmpfs) is mounted inside, and still alive (EBUSY)`,
    );
    expect([isMounted(`${files}/tmp`), isMounted(files), isMounted(disk.directory)]).toEqual([true, true, true]);
    await run("umount", [`${files}/tmp`]);
    await recover(place, disk.directory);
    await place.expectNothingLeft();
  }));

it("a server without its holder lives, and one that hangs is not dead", () =>
  withPlace(async (place) => {
    const disk = await place.mount({ size: "16M" });
    const { holderPid, serverPid } = await disk.status();
    const server = serverPid ?? 0;
    // A server that does not run cannot end with its holder.
    signal(server, "SIGSTOP");
    place.cleanup.add("the server", () => void (existsSync(`/proc/${server}`) && signal(server, "SIGKILL")));
    process.kill(holderPid, "SIGKILL");
    await until(() => !existsSync(`/proc/${holderPid}`), END_MS, "the holder to end");
    const hung = await recover(place, disk.directory);
    expect(hung.stdout).toMatch(/^\S+: does not answer, but is not dead; to unmount it: kmemfs unmount --force .*\n/);
    expect(isMounted(disk.directory)).toBe(true);
    signal(server, "SIGCONT");
    const lives = async (): Promise<boolean> =>
      /is served, but its holder is gone; to unmount it: kmemfs unmount /.test(
        (await recover(place, disk.directory)).stdout,
      );
    if (await lives()) await place.kmemfs(["unmount", disk.directory]);
    else await recover(place, disk.directory);
    expect(isMounted(disk.directory)).toBe(false);
    await until(() => !existsSync(`/proc/${server}`), END_MS, "the server to end");
  }));

it("a dead mount of another type is not looked at", () =>
  withPlace(async (place) => {
    const directory = place.makeDirectory("other");
    const options = "fd=3,rootmode=40000,user_id=0,group_id=0";
    const line = `exec 3<>/dev/fuse && mount -i -t fuse.kmemfsx -o ${options} kmemfs ${directory}`;
    await run("bash", ["-c", line]);
    place.cleanup.add(directory, () => place.umount(directory));
    await run("stat", [directory], { allowFail: true });
    expect((await recover(place, directory)).stdout).toBe(`${directory}: nothing to recover\n`);
    expect(isMounted(directory)).toBe(true);
  }));

const users = requires({
  root: true,
  fuse: true,
  commands: ["fusermount3", "setpriv", "unshare", "nsenter"],
  files: ["/etc/passwd"],
});

users.it("a user clears a mount of his own", () =>
  withPlace(async (place) => {
    const { directory, user, root } = await userPlace(place);
    const kmemfs = (...args: string[]): Promise<RunResult> => user([process.execPath, kmemfsProgram, ...args]);
    const mountAndKill = async (): Promise<void> => {
      await kmemfs("mount", directory, "--size", "16M");
      const { stdout } = await kmemfs("status", directory, "-J");
      await killBoth((JSON.parse(stdout) as { mounts: MountStatus[] }).mounts[0] as MountStatus);
    };
    await mountAndKill();
    expect((await kmemfs("recover", directory)).stdout).toContain(`unmounted the dead mount ${directory}\n`);
    expect((await user(["ls", "-A", directory])).stdout).toBe("");
    expect((await kmemfs("recover")).stdout).toBe("nothing to recover\n");

    if (!isLongForm) return;
    // Unmounted by hand: only the files are left.
    await mountAndKill();
    await user(["fusermount3", "-u", directory]);
    expect((await kmemfs("recover")).stdout).toContain("\nremoved the files of mounts that are gone (1)\n");
    expect((await user(["find", place.path("state"), "-name", "*.lock", "-o", "-name", "*.json"])).stdout).toBe("");
    expect((await kmemfs("recover")).stdout).toBe("nothing to recover\n");

    // So does root, as the user.
    await mountAndKill();
    expect((await root([process.execPath, kmemfsProgram, "recover", directory])).stdout).toContain(
      `unmounted the dead mount ${directory}\n`,
    );
    expect((await user(["ls", "-A", directory])).stdout).toBe("");
  }),
);
