/** A pool goes from one I/O mode to the other and back: same bytes, holes and account, and clean in between. */
import { expect } from "vitest";
import type { Disk } from "../support/disk.js";
import { someOf } from "../support/longForm.js";
import { type Place, withPlace } from "../support/place.js";
import { run } from "../support/processes.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, kernel: "6.9", commands: ["xfs_io"] });

const MIB = 2 ** 20;
const WAYS = ["served", "direct", "served", "direct"] as const;

interface Seen {
  readonly sum: string;
  readonly map: string;
  readonly usedBytes: number;
}

async function look(disk: Disk): Promise<Seen> {
  const [sum, map] = [await disk.sum(), await disk.io("seek -a -r 0")];
  const { usedBytes, pool } = await disk.quiet();
  // A disk's file system holds blocks of its own for the files, which direct mode counts as used.
  return { sum, map, usedBytes: pool.durable ? 0 : usedBytes };
}

async function remount(place: Place, pool: string, io: string): Promise<Disk> {
  const disk = await place.mount({ pool, args: ["--io", io] });
  expect(await disk.status()).toMatchObject({ io, ioReason: io === "direct" ? null : "served mode was requested" });
  return disk;
}

for (const where of someOf(["tmpfs", "disk"] as const, 1)) {
  it(`a directory on ${where}`, () =>
    withPlace(async (place) => {
      const parent = where === "tmpfs" ? await place.tmpfs("128M") : place.makeDirectory("srv");
      const pool = `${parent}/pool`;
      await place.kmemfs(["format", pool, "--split", "--size", "32M", "--max-size", "64M"]);
      let expected: Seen | null = null;
      for (const [round, io] of WAYS.entries()) {
        const disk = await remount(place, pool, io);
        if (expected !== null) expect(await look(disk), `${io}, round ${round}`).toEqual(expected);
        // Each time another part is changed: written, discarded, cut off, made longer.
        const at = round * 5;
        await disk.io(
          `pwrite -q -S ${65 + round} ${at}m 3m`,
          `pwrite -q -S ${97 + round} ${31 * MIB + round * 8192 + 100} 100`,
          `fpunch ${at}m 1m`,
          `fpunch ${at * MIB + 2 * MIB - 10} 5000`,
          ...(round % 2 === 0 ? ["truncate 48m", "pwrite -q -S 0x7a 40m 64k"] : []),
        );
        if (round % 2 === 1) await place.kmemfs(["resize", disk.directory, "32M", "--force"]);
        expected = await look(disk);
        expect(expected.usedBytes).toBeLessThan(33 * MIB);
        await disk.unmount();
        const report = JSON.parse((await place.kmemfs(["check", pool, "-J"])).stdout);
        expect(report).toMatchObject({ state: "clean", findings: [] });
        if (where === "tmpfs") expect(report.usedPages * 4096).toBe(expected.usedBytes);
        // Whatever way it was: between mounts `data` is as long as the pool.
        expect((await run("stat", ["-c", "%s", `${pool}/data`])).stdout).toBe(`${64 * MIB}\n`);
      }
    }));
}

it("a whole pool and an empty one", () =>
  withPlace(async (place) => {
    const pool = `${await place.tmpfs("64M")}/pool`;
    await place.kmemfs(["format", pool, "--split", "--size", "16M"]);
    for (const io of ["direct", "served", "direct"]) {
      const disk = await remount(place, pool, io);
      expect((await disk.expectAccount()).usedBytes).toBe(io === "served" ? 16 * MIB : 0);
      if (io === "direct") await disk.io("pwrite -q -S 0x31 -b 1m 0 16m");
      else await disk.io("fpunch 0 16m");
      await disk.quiet();
      await disk.unmount();
    }
    const disk = await remount(place, pool, "served");
    expect((await disk.expectAccount()).usedBytes).toBe(16 * MIB);
  }));

it("what is reserved on tmpfs stays reserved, is zeros, and can be reserved again", () =>
  withPlace(async (place) => {
    const pool = `${await place.tmpfs("64M")}/pool`;
    await place.kmemfs(["format", pool, "--split", "--size", "16M"]);
    const disk = await remount(place, pool, "direct");
    await run("fallocate", ["-o", "4M", "-l", "12M", disk.file]);
    expect((await disk.expectAccount()).usedBytes).toBe(12 * MIB);
    await disk.unmount();
    for (const io of ["direct", "served"]) {
      const again = await remount(place, pool, io);
      expect((await again.expectAccount()).usedBytes).toBe(12 * MIB);
      await run("cmp", ["-n", `${16 * MIB}`, again.file, "/dev/zero"]);
      await run("fallocate", ["-o", "4M", "-l", "12M", again.file]);
      expect((await again.expectAccount()).usedBytes).toBe(12 * MIB);
      await again.unmount();
      await place.kmemfs(["check", pool]);
    }
  }));

it("what is reserved on a disk can be reserved again, up to the last page", () =>
  withPlace(async (place) => {
    const pool = place.path("pool");
    await place.kmemfs(["format", pool, "--split", "--size", "16M"]);
    const disk = await remount(place, pool, "direct");
    for (let round = 0; round < 2; round++) {
      await run("fallocate", ["-l", "16M", disk.file]);
      expect((await disk.expectAccount()).usedBytes).toBe(16 * MIB);
    }
    await run("cmp", ["-n", `${16 * MIB}`, disk.file, "/dev/zero"]);
  }));

it("8 GiB: written and found beyond 4 GiB, in both ways", () =>
  withPlace(async (place) => {
    const pool = `${await place.tmpfs("256M")}/pool`;
    await place.kmemfs(["format", pool, "--split", "--size", "8G"]);
    const GIB = 2 ** 30;
    const disk = await remount(place, pool, "direct");
    const places = [0, 4 * GIB - 8192, 7 * GIB + 12288, 8 * GIB - 4096];
    await disk.io(...places.map((at, i) => `pwrite -q -S ${65 + i} ${at} ${i === 1 ? 16384 : 4096}`));
    const map = places.map((at, i) => `DATA\t${at}\nHOLE\t${at + (i === 1 ? 16384 : 4096)}\n`).join("");
    await disk.io(`fpunch ${4 * GIB} 4096`);
    const cut = map.replace(
      `HOLE\t${4 * GIB + 8192}`,
      `HOLE\t${4 * GIB}\nDATA\t${4 * GIB + 4096}\nHOLE\t${4 * GIB + 8192}`,
    );
    expect(await disk.io("seek -a -r 0")).toBe(`Whence\tResult\n${cut}`);
    expect((await disk.expectAccount()).usedBytes).toBe(6 * 4096);
    await disk.unmount();
    for (const io of ["served", "direct"]) {
      const again = await remount(place, pool, io);
      expect(await again.io("seek -a -r 0")).toBe(`Whence\tResult\n${cut}`);
      const byte = async (at: number): Promise<string> =>
        (await run("xfs_io", ["-c", `pread -v ${at} 1`, again.file])).stdout.split(" ").at(2) ?? "";
      expect([await byte(7 * GIB + 12288), await byte(8 * GIB - 1), await byte(4 * GIB + 100)]).toEqual([
        "43",
        "44",
        "00",
      ]);
      expect((await again.expectAccount()).usedBytes).toBe(6 * 4096);
      await again.unmount();
      await place.kmemfs(["check", pool]);
    }
  }));
