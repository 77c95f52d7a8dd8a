/** up makes a disk with a file system in one step, trim gives memory back, down leaves nothing. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { expect } from "vitest";
import { statusOf } from "../support/disk.js";
import { controlSocket, isMounted, type Place, withPlace } from "../support/place.js";
import { run, stillRunning } from "../support/processes.js";
import { expectRefusal } from "../support/refusal.js";
import { requires } from "../support/requires.js";

const MIB = 2 ** 20;

/** Where up mounts the disk itself. */
function hiddenDirectory(directory: string): string {
  return `/run/kmemfs/disks/${createHash("sha256").update(directory).digest("hex").slice(0, 16)}`;
}

/** A directory for up, which is taken down at the end whatever happens. */
function directoryFor(place: Place): string {
  const directory = place.makeDirectory("files");
  const hidden = hiddenDirectory(directory);
  place.endsWithUs(hidden);
  place.cleanup.add(directory, async () => {
    if (isMounted(hidden)) await place.kmemfs(["down", directory], { allowFail: true });
  });
  return directory;
}

function expectGone(directory: string): void {
  expect([isMounted(directory), isMounted(hiddenDirectory(directory))]).toEqual([false, false]);
  expect([existsSync(hiddenDirectory(directory)), existsSync(controlSocket(directory))]).toEqual([false, false]);
  const backing = (name: string): string => `/sys/block/${name}/loop/backing_file`;
  const files = readdirSync("/sys/block")
    .filter((name) => existsSync(backing(name)))
    .map((name) => readFileSync(backing(name), "utf8"));
  expect(files.filter((file) => file.startsWith(hiddenDirectory(directory)))).toEqual([]);
}

for (const type of ["ext4", "xfs", "btrfs"] as const) {
  const { it } = requires({
    root: true,
    fuse: true,
    loop: true,
    commands: [`mkfs.${type}`, "fstrim"],
    fileSystems: [type],
  });
  it(`${type}: up, a file, trim, down`, () =>
    withPlace(async (place) => {
      const directory = directoryFor(place);
      const up = await place.kmemfs(["up", directory, "--size", "512M", "--fs", type], { timeoutMs: 60_000 });
      expect(up.stdout).toContain(`${directory}: a new ${type} on /dev/loop`);
      const mounted = await run("findmnt", ["-n", "-o", "FSTYPE,SOURCE", directory]);
      expect(mounted.stdout).toMatch(new RegExp(`^${type} +/dev/loop\\d+\\n$`));
      const status = await statusOf(directory);
      expect(status).toMatchObject({ mountpoint: directory, file: `${hiddenDirectory(directory)}/disk` });
      expect(status.loopDevices).toEqual([mounted.stdout.trim().split(/ +/)[1]]);

      await run("dd", ["if=/dev/urandom", `of=${directory}/a`, "bs=1M", "count=64", "status=none", "conv=fsync"]);
      expect((await statusOf(directory)).usedBytes).toBeGreaterThan(64 * MIB);
      await run("rm", [`${directory}/a`]);
      const trim = await place.kmemfs(["trim", directory], { timeoutMs: 60_000 });
      expect(trim.stdout).toMatch(/^before .*\nafter .*\n\d+\.\d MiB returned to the machine\n$/m);
      expect((await statusOf(directory)).usedBytes).toBeLessThan(32 * MIB);

      await place.kmemfs(["down", directory], { timeoutMs: 60_000 });
      // At once: the command waits for its processes.
      expect(stillRunning([status.holderPid, status.serverPid])).toEqual([]);
      expectGone(directory);
      await place.expectNothingLeft();
    }));
}

const { it } = requires({
  root: true,
  fuse: true,
  loop: true,
  commands: ["mkfs.ext4", "mkfs.xfs"],
  fileSystems: ["xfs"],
});

it("a pool with a path keeps its file system from up to up", () =>
  withPlace(async (place) => {
    const directory = directoryFor(place);
    const pool = place.path("pool");
    await place.kmemfs(["up", directory, "--pool", pool, "--create", "--size", "400M", "--fs", "xfs"]);
    await run("sh", ["-c", `echo kept > ${directory}/a`]);
    await place.kmemfs(["down", directory]);
    const again = await place.kmemfs(["up", directory, "--pool", pool]);
    expect(again.stdout).toContain("the xfs on /dev/loop");
    expect((await run("cat", [`${directory}/a`])).stdout).toBe("kept\n");
    await place.kmemfs(["down", directory]);
    expectRefusal(await place.refused(["up", directory, "--pool", pool, "--fs", "ext4"]), { cause: /xfs/ });
    expectGone(directory);
    await place.expectNothingLeft();
  }));

it("up that fails in the middle leaves nothing", () =>
  withPlace(async (place) => {
    const directory = directoryFor(place);
    // mkfs fails after mount and losetup.
    const commands = place.makeDirectory("commands");
    writeFileSync(`${commands}/mkfs.xfs`, "#!/bin/sh\necho no luck >&2\nexit 1\n", { mode: 0o755 });
    const env = { PATH: `${commands}:${process.env.PATH}` };
    const result = await place.refused(["up", directory, "--size", "300M", "--fs", "xfs"], { env });
    expectRefusal(result, { cause: /mkfs\.xfs/, cure: false });
    expectGone(directory);
    await place.expectNothingLeft();
  }));

it("a second up on the same place is refused and leaves the first", () =>
  withPlace(async (place) => {
    const directory = directoryFor(place);
    await place.kmemfs(["up", directory, "--size", "64M"]);
    expectRefusal(await place.refused(["up", directory, "--size", "64M"]), {
      cause: /\(EBUSY\)$/,
      cure: /kmemfs down/,
    });
    expect(isMounted(directory)).toBe(true);
    await place.kmemfs(["down", directory]);
    expectGone(directory);
  }));

it("down ends a disk made by hand, by any of its names", () =>
  withPlace(async (place) => {
    for (const by of ["disk", "files"]) {
      const disk = await place.mount({ size: "64M" });
      const device = await disk.loop();
      await place.makeFileSystem("ext4", device);
      const files = await place.mountFileSystem("ext4", device);
      await place.kmemfs(["down", by === "disk" ? disk.directory : files]);
      expect([isMounted(files), place.isAttached(device), isMounted(disk.directory)]).toEqual([false, false, false]);
    }
    await place.expectNothingLeft();
  }));
