/** status: the table, the figures in bytes, and the JSON whose names and types are a contract. */
import { expect } from "vitest";
import { killBoth } from "../support/killed.js";
import { withDisk, withPlace } from "../support/place.js";
import { run } from "../support/processes.js";
import { testedIo } from "../support/project.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, loop: true, commands: ["xfs_io"] });

const MIB = 2 ** 20;

it("-J has every field of the contract, with its type and value", () =>
  withDisk({ size: "64M", args: ["--max-size", "128M"] }, async (disk, place) => {
    await disk.io("pwrite -q -b 1m 0 8m", "fsync", "pread -q -b 1m 0 4m", "fpunch 0 2m");
    const device = await disk.loop();
    const status = await disk.quiet();
    expect(status).toMatchObject({
      mountpoint: disk.directory,
      file: disk.file,
      io: testedIo,
      pool: { kind: "tmpfs", path: null, durable: false },
      pageSizeBytes: 4096,
      sizeBytes: 64 * MIB,
      usedBytes: 6 * MIB,
      limboBytes: 0,
      peakBytes: 8 * MIB,
      discardedBytesTotal: 2 * MIB,
      writtenBytesTotal: testedIo === "served" ? 8 * MIB : null,
      restarts: 0,
      loopDevices: [device],
    });
    const counts = ["poolBytes", "metadataBytes", "freeBytes", "limitBytes", "serverPid", "holderPid"];
    for (const name of counts) expect(status[name as keyof typeof status], name).toEqual(expect.any(Number));
    expect(status.poolBytes).toBeGreaterThan(128 * MIB);
    // Two or three processes of Node.
    expect(status.ownBytes).toBeGreaterThan(8 * MIB);
    expect(status.freeBytes).toBe(128 * MIB - 6 * MIB);
    if (testedIo === "served") expect(status.readBytesTotal).toBeGreaterThanOrEqual(4 * MIB);
    else expect(status.readBytesTotal).toBe(null);
    const whole = JSON.parse((await place.kmemfs(["status", "-J"])).stdout) as { mounts: { mountpoint: string }[] };
    expect(Object.keys(whole)).toEqual(["mounts", "silent", "orphans"]);
    expect(whole.mounts.map((mount) => mount.mountpoint)).toContain(disk.directory);
  }));

it("the table and -b show the same mount", () =>
  withDisk({ size: "64M" }, async (disk, place) => {
    await disk.io("pwrite -q -b 1m 0 8m");
    await disk.quiet();
    const row = async (...args: string[]): Promise<string[]> => {
      const { stdout } = await place.kmemfs(["status", disk.directory, ...args]);
      const lines = stdout.split("\n");
      expect(lines[0]).toMatch(/^MOUNTPOINT +IO +SIZE +USED +FREE +METADATA +LIMBO +PEAK +OWN +POOL +LOOP$/);
      return (lines[1] ?? "").split(/ {2,}/);
    };
    expect((await row()).slice(0, 5)).toEqual([disk.directory, testedIo, "64.0 MiB", "8.0 MiB", "56.0 MiB"]);
    const sizes = [64 * MIB, 8 * MIB, 56 * MIB].map(String);
    expect((await row("-b")).slice(0, 5)).toEqual([disk.directory, testedIo, ...sizes]);
  }));

it("a socket that nobody listens on is no mount, and goes away", () =>
  withPlace(async (place) => {
    const disk = await place.mount({ size: "16M" });
    const { holderPid, serverPid } = await disk.status();
    await killBoth({ holderPid, serverPid });
    const { stdout } = await place.kmemfs(["status", "-J"]);
    expect(stdout).not.toContain(disk.directory);
    await run("umount", ["-l", disk.directory], { allowFail: true });
    await place.expectNothingLeft();
  }));
