/** A session is in use while any mount of it is, in any namespace: that is named before anything is changed. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { isMounted, type Place, withDisk, withPlace } from "../support/place.js";
import { type Background, run, until } from "../support/processes.js";
import { expectRefusal } from "../support/refusal.js";
import { requires } from "../support/requires.js";
import { sleeperAfter } from "../support/sleeper.js";

const { it } = requires({ root: true, fuse: true, loop: true, commands: ["mkfs.ext4", "mkfs.btrfs", "unshare"] });

const END_MS = 60_000;

/** Has a mount of the test's own taken away again. */
function undoMount(place: Place, directory: string): void {
  place.cleanup.add(`mount ${directory}`, () => run("umount", [directory], { allowFail: true }));
}

/** A process in a mount namespace of its own that has all our mounts, and receives nothing further. */
function namespaceOf(place: Place, line = "true"): Promise<Background> {
  return sleeperAfter(place, line, ["unshare", "-m", "--propagation", "private"]);
}

it("a bind mount of the directory with a file system by way of it", () =>
  withDisk({ size: "64M" }, async (disk, place) => {
    const bound = place.makeDirectory("bound");
    await run("mount", ["--bind", disk.directory, bound]);
    undoMount(place, bound);
    const device = await place.loop(join(bound, "disk"));
    await place.makeFileSystem("ext4", device);
    const files = await place.mountFileSystem("ext4", device);
    await run("sh", ["-c", `echo kept > ${files}/a`]);
    const unmount = await place.refused(["unmount", disk.directory]);
    expectRefusal(unmount, { cause: /\(EBUSY\)$/ });
    expect(unmount.stderr).toContain(`${device} is attached to its file, mounted on ${files}`);
    expect(unmount.stderr).toContain(`it is also mounted on ${bound}`);
    const down = await place.refused(["down", disk.directory]);
    expectRefusal(down, { cause: new RegExp(`it is also mounted on ${bound}.*\\(EBUSY\\)$`) });
    expect((await disk.status()).loopDevices).toEqual([device]);
    expect([isMounted(files), (await run("cat", [`${files}/a`])).stdout]).toEqual([true, "kept\n"]);
    await place.umount(files);
    await place.detach(device);
    await run("umount", [bound]);
    await disk.unmount();
    await place.expectNothingLeft();
  }));

it("a bind mount of the file alone", () =>
  withDisk({ size: "16M" }, async (disk, place) => {
    const bound = place.path("file");
    await run("sh", ["-c", `: > ${bound} && mount --bind ${disk.file} ${bound}`]);
    undoMount(place, bound);
    for (const command of ["unmount", "down"]) {
      const refused = await place.refused([command, disk.directory]);
      expectRefusal(refused, { cause: new RegExp(`it is also mounted on ${bound} \\(EBUSY\\)$`) });
    }
    await run("umount", [bound]);
    await disk.unmount();
  }));

it("another mount namespace that has the mount, until it is gone", () =>
  withDisk({ size: "16M" }, async (disk, place) => {
    const other = await namespaceOf(place);
    const cause = new RegExp(
      `it is mounted on ${disk.directory} in the mount namespace mnt:\\[\\d+\\] of sleep \\(pid ${other.pid}\\) \\(EBUSY\\)$`,
    );
    for (const command of ["unmount", "down"]) {
      expectRefusal(await place.refused([command, disk.directory]), { cause });
    }
    expect((await disk.status()).serverPid).not.toBeNull();
    await other.stop();
    await disk.unmount();
    await place.expectNothingLeft();
  }));

it("not one that the unmount reaches by itself", () =>
  withPlace(async (place) => {
    const shared = await place.tmpfs("1M", "shared");
    await run("mount", ["--make-shared", shared]);
    const disk = await place.mount({ size: "16M", name: "shared/disk" });
    await sleeperAfter(place, "true", ["unshare", "-m", "--propagation", "slave"]);
    await disk.unmount();
    await place.expectNothingLeft();
  }));

it("a loop device of another namespace whose file has the same path is nobody's of the disk", () =>
  withDisk({ size: "64M" }, async (disk, place) => {
    const own = await disk.loop();
    const theirs = `umount ${disk.directory} && mount -t tmpfs theirs ${disk.directory} && truncate -s 16M ${disk.file}`;
    const other = await namespaceOf(place, `${theirs} && losetup --find --show ${disk.file}`);
    await other.waitFor(/loop\d+\n/);
    const device = other.stdout().split("\n")[0] ?? "";
    place.cleanup.add(device, () => run("losetup", ["-d", device], { allowFail: true }));
    expect(place.isAttached(device)).toBe(true);
    await place.makeFileSystem("ext4", device);
    const files = await place.mountFileSystem("ext4", device, "foreign");
    await run("sh", ["-c", `echo theirs > ${files}/kept`]);
    expect((await disk.status()).loopDevices).toEqual([own]);
    const { holderPid } = await disk.status();
    for (const command of ["trim", "down", "restart"]) {
      expectRefusal(await place.refused([command, files]), { cause: /not a kmemfs disk \(ENOENT\)$/ });
    }
    await place.kmemfs(["down", disk.directory]);
    await until(() => !existsSync(`/proc/${holderPid}`), END_MS, "the holder to be gone");
    expect(place.isAttached(own)).toBe(false);
    expectRefusal(await place.refused(["down", files]), { cause: /not a kmemfs disk \(ENOENT\)$/ });
    expect((await run("cat", [`${files}/kept`])).stdout).toBe("theirs\n");
    await place.umount(files);
  }));

it("a mount that was moved is the same disk: status finds it there, down ends it, and its holder", () =>
  withDisk({ size: "64M" }, async (disk, place) => {
    const moved = place.makeDirectory("moved");
    await run("mount", ["--move", disk.directory, moved]);
    undoMount(place, moved);
    const { holderPid } = await disk.status();
    const status = JSON.parse((await place.kmemfs(["status", moved, "-J"])).stdout).mounts[0];
    expect([status.holderPid, status.file]).toEqual([holderPid, join(moved, "disk")]);
    const { stdout } = await place.kmemfs(["down", moved]);
    expect(stdout).toMatch(/^stopped the mount of /);
    expect(isMounted(moved)).toBe(false);
    await until(() => !existsSync(`/proc/${holderPid}`), END_MS, "the holder to be gone");
    await place.expectNothingLeft();
  }));

it("down names another namespace, an overlay and the other device of a btrfs before it unmounts anything", () =>
  withPlace(async (place) => {
    const disk = await place.mount({ size: "256M" });
    const device = await disk.loop();
    await run("truncate", ["-s", "256M", place.path("other")]);
    const second = await place.loop(place.path("other"));
    await run("mkfs.btrfs", ["-q", "-f", "-K", device, second], { timeoutMs: 60_000 });
    const files = await place.mountFileSystem("btrfs", second);
    const layers = ["upper", "work", "lower"].map((name) => `${files}/${name}`);
    await run("mkdir", layers);
    const merged = place.makeDirectory("merged");
    const [upper, work, lower] = layers;
    await run("mount", ["-t", "overlay", "-o", `lowerdir=${lower},upperdir=${upper},workdir=${work}`, "over", merged]);
    undoMount(place, merged);
    const other = await namespaceOf(place, `umount ${merged}`);
    const { stderr, status } = await place.refused(["down", disk.directory]);
    expect(status).toBe(1);
    expect(stderr).toContain(`the overlay on ${merged} has a layer on ${files}`);
    expect(stderr).toContain(`the btrfs on ${files} also uses ${second}`);
    expect(stderr).toMatch(new RegExp(`${files} is mounted on ${files} in the mount namespace .*pid ${other.pid}\\)`));
    expect([isMounted(merged), isMounted(files), place.isAttached(device)]).toEqual([true, true, true]);
    await other.stop();
    await run("umount", [merged]);
    const again = await place.refused(["down", disk.directory]);
    expectRefusal(again, { cause: new RegExp(`the btrfs on ${files} also uses ${second} \\(EBUSY\\)$`) });
    await place.umount(files);
    await place.kmemfs(["down", disk.directory]);
    expect(place.isAttached(device)).toBe(false);
  }));
