/** Loop devices and trims take no command of util-linux, and sectors of the size that what is there was made for. */
import { chmodSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { expect } from "vitest";
import { statusOf } from "../support/disk.js";
import { isMounted, type Place, withPlace } from "../support/place.js";
import { run } from "../support/processes.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, loop: true, commands: ["mkfs.ext4", "mkfs.xfs", "mount"] });

const sectorBytes = (device: string): number =>
  Number(readFileSync(`/sys/block/${basename(device)}/queue/logical_block_size`, "utf8"));

/** A PATH on which losetup, fstrim, umount and fsfreeze refuse every long option, as small ones of busybox do, or all. */
async function barePath(place: Place): Promise<string> {
  const directory = place.makeDirectory("bin");
  for (const name of ["losetup", "fstrim", "umount", "fsfreeze"]) {
    writeFileSync(`${directory}/${name}`, `#!/bin/sh\necho "${name}: unrecognized option '$1'" >&2\nexit 1\n`);
    chmodSync(`${directory}/${name}`, 0o755);
  }
  for (const name of ["mount", "mkfs.ext4", "blkid", "cmp", "dd", "sh"]) {
    const { stdout } = await run("sh", ["-c", `PATH=$PATH:/usr/sbin:/sbin command -v ${name}`]);
    symlinkSync(stdout.trim(), `${directory}/${name}`);
  }
  return directory;
}

it("up, trim and down where losetup, fstrim and umount are of no use", () =>
  withPlace(async (place) => {
    const mountpoint = place.makeDirectory("up");
    place.endsWithUs(mountpoint);
    const env = { PATH: await barePath(place) };
    await place.kmemfs(["up", mountpoint, "--size", "64M"], { env });
    const { loopDevices } = await statusOf(mountpoint);
    expect(sectorBytes(loopDevices[0])).toBe(4096);
    expect(readFileSync(`/sys/block/${basename(loopDevices[0])}/loop/dio`, "utf8")).toBe("1\n");
    expect((await place.kmemfs(["trim", mountpoint], { env })).stdout).toMatch(/trimmed on \/dev\/loop/);
    await place.kmemfs(["down", mountpoint], { env });
    expect(isMounted(mountpoint)).toBe(false);
    await place.expectNothingLeft();
  }));

const MADE: readonly (readonly [string, readonly string[], number])[] = [
  ["xfs", ["-q", "-f", "-K", "-s", "size=512"], 512],
  ["ext4", ["-q", "-F", "-b", "1024", "-E", "nodiscard"], 1024],
];

for (const [type, args, bytes] of MADE) {
  it(`up mounts an ${type} that was made for sectors of ${bytes} bytes`, () =>
    withPlace(async (place) => {
      const pool = place.path("pool");
      const disk = await place.mount({ pool, size: "320M", args: ["--create"] });
      const device = await disk.loop(["--sector-size", "512"]);
      await run(`mkfs.${type}`, [...args, device], { timeoutMs: 60_000 });
      const files = await place.mountFileSystem(type, device);
      await run("sh", ["-c", `echo kept > ${files}/a`]);
      await place.umount(files);
      await place.detach(device);
      await disk.unmount();
      const mountpoint = place.makeDirectory("up");
      place.endsWithUs(mountpoint);
      await place.kmemfs(["up", mountpoint, "--pool", pool]);
      expect((await run("cat", [`${mountpoint}/a`])).stdout).toBe("kept\n");
      const { loopDevices } = await statusOf(mountpoint);
      expect(sectorBytes(loopDevices[0])).toBe(bytes);
      await place.kmemfs(["down", mountpoint]);
    }));
}

it("trim counts what was written and not synced as before", () =>
  withPlace(async (place) => {
    const mountpoint = place.makeDirectory("up");
    place.endsWithUs(mountpoint);
    await place.kmemfs(["up", mountpoint, "--size", "256M"]);
    await run("dd", ["if=/dev/urandom", `of=${mountpoint}/x`, "bs=1M", "count=100", "status=none"]);
    await run("rm", [`${mountpoint}/x`]);
    await run("dd", ["if=/dev/urandom", `of=${mountpoint}/y`, "bs=1M", "count=100", "status=none"]);
    const { stdout } = await place.kmemfs(["trim", mountpoint]);
    const cells = (name: string): number[] =>
      (new RegExp(`^${name}.*$`, "m").exec(stdout)?.[0].match(/[\d.]+ MiB/g) ?? []).map(Number.parseFloat);
    // The file's blocks, then the pool's: the copy is there before and after.
    expect(cells("before")[0]).toBeGreaterThan(99);
    expect(cells("after")[0]).toBeGreaterThan(99);
    await place.kmemfs(["down", mountpoint]);
  }));
