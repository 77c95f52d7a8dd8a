/** The file can be given another size up to the maximum, also under a loop device; nothing goes past its end. */
import { expect } from "vitest";
import { withDisk } from "../support/place.js";
import { run } from "../support/processes.js";
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
  withDisk({ size: "16M", args: ["--max-size", "64M"] }, async (disk) => {
    await disk.io("pwrite -q -S 0x61 -b 1m 0 16m", "truncate 64m", "pwrite -q -S 0x62 63m 1m");
    expect((await disk.expectAccount()).usedBytes).toBe(17 * MIB);
    const { status, stderr } = await run("truncate", ["-s", "65M", disk.file], { allowFail: true });
    expect([status, stderr]).toEqual([1, expect.stringMatching(/File too large/)]);
    await disk.io("truncate 8m");
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

it("writes past the end are refused or cut, reads past the end are empty", () =>
  withDisk({ size: "4M" }, async (disk) => {
    await disk.io("pwrite -q -S 0x61 -b 1m 0 4m");
    const sum = await disk.sum();
    const past = async (offset: number, length: number): Promise<string> => {
      const args = ["-c", `pwrite -S 0x63 ${offset} ${length}`, disk.file];
      const { stdout, stderr } = await run("xfs_io", args, { allowFail: true });
      return `${/^wrote \d+/m.exec(stdout)?.[0] ?? ""}${stderr}`;
    };
    expect(await past(4 * MIB, 4096)).toMatch(/File too large|No space left/);
    expect(await past(2 ** 40, 1)).toMatch(/File too large|No space left/);
    expect(await disk.sum()).toBe(sum);
    expect(await past(4 * MIB - 4096, 8192)).toMatch(/^wrote 4096|File too large/);
    expect((await disk.stat()).sizeBytes).toBe(4 * MIB);
    expect(await disk.sum(0, 4 * MIB - 4096)).toHaveLength(64);
    const append = await run(
      "dd",
      ["if=/dev/zero", `of=${disk.file}`, "bs=4k", "count=1", "oflag=append", "conv=notrunc"],
      {
        allowFail: true,
      },
    );
    expect(append.status).toBe(1);
    expect((await run("dd", [`if=${disk.file}`, "bs=1M", "skip=4", "status=none"])).stdout).toBe("");
    expect((await disk.expectAccount()).usedBytes).toBe(4 * MIB);
  }));
