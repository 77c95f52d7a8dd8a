/** Another size of a mounted disk: by the command, which looks at what is on it; and nobody loses what was written. */
import { expect } from "vitest";
import type { Disk } from "../support/disk.js";
import { withDisk } from "../support/place.js";
import { run } from "../support/processes.js";
import { testedIo } from "../support/project.js";
import { requires } from "../support/requires.js";

const { it } = requires({
  root: true,
  fuse: true,
  loop: true,
  commands: ["xfs_io", "losetup", "mkfs.ext4", "mkfs.xfs", "blkid"],
  fileSystems: ["ext4", "xfs"],
});
const withQemu = requires({ root: true, fuse: true, commands: ["xfs_io", "qemu-img"] });

const MIB = 2 ** 20;
const isDirect = testedIo === "direct";

/** Nothing of what was acknowledged may be gone after it was looked at for this time. */
async function keepsSize(disk: Disk, sizeBytes: number): Promise<void> {
  expect((await disk.quiet()).sizeBytes).toBe(sizeBytes);
  expect((await disk.stat()).sizeBytes).toBe(sizeBytes);
}

it("truncate to nothing and a write: one of the two is refused, and in direct mode the first", () =>
  withDisk({ size: "16M" }, async (disk) => {
    await disk.io("pwrite -q -S 0x61 -b 1m 0 16m");
    const sum = await disk.sum();
    const truncated = await run("truncate", ["-s", "0", disk.file], { allowFail: true });
    const write = ["-c", "pwrite -S 0x62 0 4096", disk.file];
    if (isDirect) {
      expect([truncated.status, truncated.stderr]).toEqual([1, expect.stringMatching(/Operation not permitted/)]);
      await keepsSize(disk, 16 * MIB);
      expect(await disk.sum()).toBe(sum);
      await run("xfs_io", write);
      await keepsSize(disk, 16 * MIB);
      const { stdout } = await run("xfs_io", ["-r", "-c", "pread -v 0 16", disk.file]);
      expect(stdout).toMatch(/^00000000: {2}62 62/);
    } else {
      expect(truncated.status).toBe(0);
      const { stderr } = await run("xfs_io", write, { allowFail: true });
      expect(stderr).toMatch(/File too large/);
    }
    await disk.expectAccount();
  }));

it("open with O_TRUNC empties it and keeps its size, and what is written then stays", () =>
  withDisk({ size: "16M" }, async (disk) => {
    await disk.io("pwrite -q -S 0x61 -b 1m 0 16m");
    await run("sh", ["-c", `printf abc >'${disk.file}'`]);
    await keepsSize(disk, 16 * MIB);
    expect((await disk.expectAccount()).usedBytes).toBe(4096);
    expect((await run("head", ["-c", "3", disk.file])).stdout).toBe("abc");
  }));

withQemu.it("qemu-img that cannot make its image says so", () =>
  withDisk({ size: "16M" }, async (disk) => {
    const made = await run("qemu-img", ["create", "-f", "qcow2", disk.file, "1G"], { allowFail: true });
    expect(made.status).toBe(1);
    if (isDirect) await keepsSize(disk, 16 * MIB);
    await disk.expectAccount();
  }),
);

it("the command makes it smaller, once: a truncate to that size after it is refused again", () =>
  withDisk({ size: "16M", args: ["--max-size", "32M"] }, async (disk, place) => {
    await disk.io("pwrite -q -S 0x61 -b 1m 0 16m");
    expect((await place.kmemfs(["resize", disk.directory, "8M"])).stdout).toBe(
      `${disk.directory}: 8.0 MiB, was 16.0 MiB\n`,
    );
    expect((await disk.expectAccount()).usedBytes).toBe(8 * MIB);
    await keepsSize(disk, 8 * MIB);
    await place.kmemfs(["resize", disk.directory, "32M"]);
    await run("cmp", ["-n", `${24 * MIB}`, "-i", `${8 * MIB}:0`, disk.file, "/dev/zero"]);
    const { status } = await run("truncate", ["-s", "8M", disk.file], { allowFail: true });
    expect(status).toBe(isDirect ? 1 : 0);
    const over = await place.refused(["resize", disk.directory, "33M"]);
    expect([over.status, over.stderr]).toEqual([
      1,
      expect.stringMatching(/its maximum size is 33554432 bytes.*\(EFBIG\)\ntry: /),
    ]);
    const none = await place.refused(["resize", disk.directory, "100"]);
    expect([none.status, none.stderr]).toEqual([2, expect.stringMatching(/one page/)]);
  }));

it("larger tells the loop device, and how its file system grows; smaller is refused with one on it", () =>
  withDisk({ size: "320M", args: ["--max-size", "512M"] }, async (disk, place) => {
    const device = await disk.loop();
    await place.makeFileSystem("xfs", device);
    const files = await place.mountFileSystem("xfs", device);
    const smaller = await place.refused(["resize", disk.directory, "300M", "--force"]);
    expect(smaller.status).toBe(1);
    expect(smaller.stderr).toMatch(new RegExp(`: its loop device ${device} would be truncated \\(EBUSY\\)\ntry: `));
    // By the name of the file system, too.
    const { stdout } = await place.kmemfs(["resize", files, "512M"]);
    expect(stdout).toContain(`${device} has that size too; to grow the file system on it: xfs_growfs ${files}\n`);
    expect((await run("blockdev", ["--getsize64", device])).stdout).toBe(`${512 * MIB}\n`);
    await place.umount(files);
    await place.detach(device);
    const held = await place.refused(["resize", disk.directory, "300M"]);
    expect([held.status, held.stderr]).toEqual([
      1,
      expect.stringMatching(/: xfs on it may be truncated \(EBUSY\)\ntry: /),
    ]);
    await keepsSize(disk, 512 * MIB);
    await place.kmemfs(["resize", disk.directory, "300M", "--force"]);
    await keepsSize(disk, 300 * MIB);
  }));
