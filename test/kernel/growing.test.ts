/** The file can be given another size up to the maximum, also under a loop device; nothing goes past its end. */
import { expect } from "vitest";
import type { Disk } from "../support/disk.js";
import { withDisk, withPlace } from "../support/place.js";
import { run, until } from "../support/processes.js";
import { testedIo } from "../support/project.js";
import { requires } from "../support/requires.js";

const { it } = requires({
  root: true,
  fuse: true,
  loop: true,
  commands: ["xfs_io", "mkfs.xfs", "xfs_growfs"],
  fileSystems: ["xfs"],
});

const MIB = 2 ** 20;

it("truncate grows to the maximum and no further, and a smaller size gives pages back", () =>
  withDisk({ size: "16M", args: ["--max-size", "64M"] }, async (disk, place) => {
    await disk.io("pwrite -q -S 0x61 -b 1m 0 16m", "truncate 64m", "pwrite -q -S 0x62 63m 1m");
    expect((await disk.expectAccount()).usedBytes).toBe(17 * MIB);
    const { status, stderr } = await run("truncate", ["-s", "65M", disk.file], { allowFail: true });
    expect([status, stderr]).toEqual([1, expect.stringMatching(/File too large/)]);
    const resized = await place.kmemfs(["resize", disk.directory, "8M", "--force"]);
    expect(resized.stdout).toBe(`${disk.directory}: 8.0 MiB, was 64.0 MiB\n`);
    const small = await disk.expectAccount();
    expect([small.sizeBytes, small.usedBytes]).toEqual([8 * MIB, 8 * MIB]);
    // What was cut off is gone for good.
    await disk.io("truncate 64m");
    await run("cmp", ["-n", `${56 * MIB}`, "-i", `${8 * MIB}:0`, disk.file, "/dev/zero"]);
    expect((await disk.expectAccount()).usedBytes).toBe(8 * MIB);
  }));

it("a mounted file system grows with its loop device", () =>
  withDisk({ size: "320M", args: ["--max-size", "512M"] }, async (disk, place) => {
    const device = await disk.loop();
    await place.makeFileSystem("xfs", device);
    const files = await place.mountFileSystem("xfs", device);
    await run("dd", ["if=/dev/urandom", `of=${files}/a`, "bs=1M", "count=32", "status=none"]);
    const before = await run("sha256sum", [`${files}/a`]);
    await run("truncate", ["-s", "512M", disk.file]);
    await run("losetup", ["-c", device]);
    expect((await run("blockdev", ["--getsize64", device])).stdout).toBe(`${512 * MIB}\n`);
    // Not ext4: its growth while mounted wants CAP_SYS_RESOURCE, which root may lack.
    await run("xfs_growfs", [files]);
    await run("fallocate", ["-l", "300M", `${files}/b`]);
    await run("dd", ["if=/dev/urandom", `of=${files}/c`, "bs=1M", "count=64", "status=none", "conv=fsync"]);
    expect((await run("sha256sum", [`${files}/a`])).stdout).toBe(before.stdout);
    await disk.expectAccount();
    await place.umount(files);
    await run("xfs_repair", ["-n", device]);
  }));

/** What came of a write, in the words of xfs_io. */
async function write(disk: Disk, offset: number, length: number): Promise<string> {
  const args = ["-c", `pwrite -S 0x63 ${offset} ${length}`, disk.file];
  const { stdout, stderr } = await run("xfs_io", args, { allowFail: true });
  return `${/^wrote \d+/m.exec(stdout)?.[0] ?? ""}${stderr}`;
}

const isServed = testedIo === "served";

it("writes past the end are refused or cut, reads past the end are empty", () =>
  withDisk({ size: "4M" }, async (disk) => {
    await disk.io("pwrite -q -S 0x61 -b 1m 0 4m");
    const sum = await disk.sum();
    // In direct mode the kernel lets them through to `data`, and the server cuts them off.
    const answer = isServed ? /File too large|No space left/ : /^wrote \d+$|File too large|No space left/;
    expect(await write(disk, 4 * MIB, 4096)).toMatch(answer);
    expect(await write(disk, 2 ** 40, 1)).toMatch(answer);
    expect(await write(disk, 4 * MIB - 4096, 8192)).toMatch(/^wrote (4096|8192)|File too large/);
    await run("dd", ["if=/dev/zero", `of=${disk.file}`, "bs=4k", "count=1", "oflag=append", "conv=notrunc"], {
      allowFail: true,
    });
    await until(async () => (await disk.quiet()).usedBytes === 4 * MIB, 60_000, "the file to have its size again");
    expect((await disk.stat()).sizeBytes).toBe(4 * MIB);
    expect(await disk.sum(0, 4 * MIB - 4096)).not.toBe(sum);
    expect((await run("dd", [`if=${disk.file}`, "bs=1M", "skip=4", "status=none"])).stdout).toBe("");
    expect((await disk.expectAccount()).usedBytes).toBe(4 * MIB);
  }));

it("what is written past the end never shows when the file grows, and harms no metadata", () =>
  withPlace(async (place) => {
    const parent = await place.tmpfs("128M");
    const pool = `${parent}/pool`;
    await place.kmemfs(["format", pool, "--split", "--size", "16M", "--max-size", "32M"]);
    const disk = await place.mount({ pool });
    expect((await disk.status()).io).toBe(testedIo);
    await disk.io("pwrite -q -S 0x61 -b 1m 0 16m");
    const sum = await disk.sum(0, 16 * MIB);
    for (const offset of [16 * MIB, 24 * MIB, 40 * MIB]) await write(disk, offset, 65536);
    await disk.io("truncate 32m");
    expect(await disk.sum(0, 16 * MIB)).toBe(sum);
    await run("cmp", ["-n", `${16 * MIB}`, "-i", `${16 * MIB}:0`, disk.file, "/dev/zero"]);
    await disk.unmount();
    await place.kmemfs(["check", pool]);
    const again = await place.mount({ pool });
    expect(await again.sum(0, 16 * MIB)).toBe(sum);
    expect((await again.quiet()).usedBytes).toBe(16 * MIB);
  }));
