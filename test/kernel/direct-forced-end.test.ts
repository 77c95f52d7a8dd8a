/**
 * A mount that ends by force while somebody has its file open: the kernel goes
 * on writing for them, so the pool stays in direct mode, locked until they
 * have let go, and what they wrote counts.
 */
import { existsSync } from "node:fs";
import { expect } from "vitest";
import { statusOf } from "../support/disk.js";
import { killBoth } from "../support/killed.js";
import { logOf } from "../support/log.js";
import { type Place, withPlace } from "../support/place.js";
import { run, start, until } from "../support/processes.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, loop: true, kernel: "6.9", commands: ["xfs_io", "mkfs.ext4"] });

const MIB = 2 ** 20;
const END_MS = 60_000;

/** Opens a file; when the other file is there, writes 64 KiB of Z at 8 MiB, and ends. */
const WRITER = `
  const fs = require("node:fs");
  const [file, go] = process.argv.slice(1);
  const fd = fs.openSync(file, "r+");
  console.log("open");
  setInterval(() => {
    if (!fs.existsSync(go)) return;
    console.log("written " + fs.writeSync(fd, Buffer.alloc(65536, "Z"), 0, 65536, ${8 * MIB}));
    process.exit(0);
  }, 20);`;

async function openWriter(place: Place, file: string): Promise<{ writeNow(): Promise<void> }> {
  const go = place.path("go");
  const writer = start(process.execPath, ["-e", WRITER, file, go], { cwd: "/" });
  place.cleanup.add("the writer", () => writer.stop());
  await writer.waitFor(/open/);
  return {
    writeNow: async () => {
      await run("touch", [go]);
      await writer.waitFor(/written 65536/);
      expect(await writer.exited).toBe(0);
    },
  };
}

for (const io of ["served", "direct"] as const) {
  it(`what is written after unmount --force is there when the pool is ${io} the next time`, () =>
    withPlace(async (place) => {
      const pool = place.path("pool");
      await place.kmemfs(["format", pool, "--split", "--size", "16M"]);
      const disk = await place.mount({ pool, args: ["--io", "direct"] });
      await disk.io("pwrite -q -S 0x41 1m 1m");
      const writer = await openWriter(place, disk.file);
      await place.kmemfs(["unmount", "--force", disk.directory]);
      expect(logOf(disk.directory).map((line) => line.msg)).toContainEqual(expect.stringMatching(/still be open/));
      const busy = await place.refused(["mount", pool, disk.directory]);
      expect([busy.status, busy.stderr]).toEqual([1, expect.stringMatching(/in use by .*\(EBUSY\)\ntry: /)]);
      await writer.writeNow();
      let said = "";
      const isFree = async (): Promise<boolean> => {
        const { status, stdout } = await place.refused(["check", pool]);
        said = stdout;
        return status === 0;
      };
      await until(isFree, END_MS, "the pool to be free");
      expect(said).toMatch(/: direct, 1\.1 MiB used, no errors/);
      const again = await place.mount({ pool, args: ["--io", io] });
      await run("sh", ["-c", `head -c 65536 /dev/zero | tr '\\0' Z | cmp -n 65536 - '${again.file}' 0 ${8 * MIB}`]);
      expect((await again.expectAccount()).usedBytes).toBe(MIB + 65536);
      await again.unmount();
      await place.kmemfs(["check", pool]);
    }));
}

it("SIGTERM while a process writes to the file system: the pool tells exactly what it holds", () =>
  withPlace(async (place) => {
    const pool = `${await place.tmpfs("96M")}/pool`;
    await place.kmemfs(["format", pool, "--split", "--size", "64M"]);
    const mountpoint = place.makeDirectory("up");
    await place.kmemfs(["up", mountpoint, "--pool", pool, "--io", "direct"]);
    place.endsWithUs(mountpoint);
    await run("dd", ["if=/dev/urandom", `of=${mountpoint}/a`, "bs=1M", "count=2", "status=none"]);
    await run("dd", ["if=/dev/zero", `of=${mountpoint}/b`, "bs=1M", "count=12", "status=none"]);
    const sum = (await run("sha256sum", [`${mountpoint}/a`])).stdout.slice(0, 64);
    const writer = await openWriter(place, `${mountpoint}/b`);
    const { holderPid } = await statusOf(mountpoint);
    process.kill(holderPid, "SIGTERM");
    await until(() => !existsSync(`/proc/${holderPid}`), END_MS, "the holder to end");
    await writer.writeNow();
    const isFree = async (): Promise<boolean> => (await place.refused(["check", pool])).status === 0;
    await until(isFree, END_MS, "the pool to be free");
    const disk = await place.mount({ pool, args: ["--io", "served"] });
    await disk.expectAccount();
    const device = await disk.loop();
    const files = await place.mountFileSystem("ext4", device);
    expect((await run("sha256sum", [`${files}/a`])).stdout.slice(0, 64)).toBe(sum);
    await place.umount(files);
    await run("fsck.ext4", ["-fn", device]);
    await place.detach(device);
    await disk.unmount();
  }));

it("a mount that nobody has open ends clean by force", () =>
  withPlace(async (place) => {
    const pool = place.path("pool");
    await place.kmemfs(["format", pool, "--split", "--size", "16M"]);
    const disk = await place.mount({ pool, args: ["--io", "direct"] });
    await disk.io("pwrite -q -S 0x41 1m 1m");
    await place.kmemfs(["unmount", "--force", disk.directory]);
    expect((await place.kmemfs(["check", pool])).stdout).toMatch(/: clean, 1\.0+ MiB used/);
  }));

it("a loop device keeps the pool of a killed mount locked until it is detached", () =>
  withPlace(async (place) => {
    const pool = place.path("pool");
    await place.kmemfs(["format", pool, "--split", "--size", "16M"]);
    const disk = await place.mount({ pool, args: ["--io", "direct"] });
    const device = await disk.loop();
    const { serverPid, holderPid } = await disk.status();
    await killBoth({ holderPid, serverPid });
    await until(() => ![holderPid, serverPid].some((pid) => existsSync(`/proc/${pid}`)), END_MS, "both to end");
    await run("dd", [
      "if=/dev/zero",
      `of=${device}`,
      "bs=64k",
      "count=4",
      "oflag=direct",
      "conv=notrunc",
      "status=none",
    ]);
    const other = place.makeDirectory("other");
    for (const io of ["direct", "served"]) {
      const { status, stderr } = await place.refused(["mount", pool, other, "--io", io]);
      expect([status, stderr]).toEqual([1, expect.stringMatching(/loop device.*\(EBUSY\)\ntry: losetup.*unmount/)]);
    }
    await place.detach(device);
    // The kernel keeps the file with the dead mount too.
    await place.kmemfs(["unmount", disk.directory]);
    const again = await place.mount({ pool, name: "other", args: ["--io", "served"] });
    expect((await again.expectAccount()).usedBytes).toBe(4 * 65536);
  }));
