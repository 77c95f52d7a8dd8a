/**
 * Damage that comes while a disk is mounted: EIO for the blocks concerned, the rest
 * can be read, nothing is written any more, and the server lives. Names its ways.
 */
import { closeSync, existsSync, openSync, statSync, truncateSync, writeSync } from "node:fs";
import { expect } from "vitest";
import type { Disk } from "../support/disk.js";
import { signal } from "../support/killed.js";
import { LOG_ERROR, logOf } from "../support/log.js";
import { type Place, withPlace } from "../support/place.js";
import { run, until } from "../support/processes.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, kernel: "6.9", commands: ["xfs_io"] });

const PAGE = 4096;
const MIB = 2 ** 20;
const FOUND_MS = 60_000;

/** What xfs_io says of one command; errors too. */
async function io(disk: Disk, command: string): Promise<string> {
  const { stdout, stderr } = await run("xfs_io", ["-c", command, disk.file], { allowFail: true });
  return stdout + stderr;
}

async function expectDamage(disk: Disk, what: RegExp): Promise<void> {
  await until(async () => (await disk.status()).damage !== null, FOUND_MS, "the damage to be seen");
  const status = await disk.status();
  expect(status).toMatchObject({ damage: expect.stringMatching(what), readOnly: true });
  const isLogged = (): boolean => logOf(disk.directory).some(({ level, msg }) => level === LOG_ERROR && what.test(msg));
  await until(isLogged, FOUND_MS, "the damage in the log");
}

/** A pool file on a tmpfs, 16 MiB with a byte of its own in each MiB, mounted served. */
async function servedDisk(
  place: Place,
  args: readonly string[] = [],
): Promise<{ disk: Disk; pool: string; serverPid: number | null }> {
  const pool = `${await place.tmpfs("64M")}/pool`;
  const disk = await place.mount({ pool, size: "16M", args: ["--create", "--io", "served", ...args] });
  for (let at = 0; at < 16; at += 4) await disk.io(`pwrite -q -b 1m -S ${0x21 + at} ${at}m 4m`);
  return { disk, pool, serverPid: (await disk.status()).serverPid };
}

it("an index entry that is overwritten", () =>
  withPlace(async (place) => {
    const { disk, pool, serverPid } = await servedDisk(place);
    const fd = openSync(pool, "r+");
    writeSync(fd, Uint8Array.of(0xff, 0xff, 0xff, 0x7f), 0, 4, PAGE + 1000 * 8);
    closeSync(fd);
    expect(await io(disk, `pread ${1000 * PAGE} 4k`)).toMatch(/Input\/output error/);
    expect(await io(disk, `pread -v ${1001 * PAGE} 1`)).toMatch(/^003e9000: {2}21/);
    expect(await io(disk, "pwrite 0 4k")).toMatch(/Read-only file system/);
    await expectDamage(disk, /block 1000: its index entry points to page 2147483647/);
    expect((await disk.status()).serverPid).toBe(serverPid);
    // The next server knows it too.
    signal(serverPid, "SIGKILL");
    expect(await io(disk, "pwrite 0 4k")).toMatch(/Read-only file system/);
    expect(await io(disk, `pread ${1000 * PAGE} 4k`)).toMatch(/Input\/output error/);
    expect(await io(disk, `pread -v ${1001 * PAGE} 1`)).toMatch(/^003e9000: {2}21/);
    const { restarts, damage } = await disk.status();
    expect([restarts, damage]).toEqual([
      1,
      expect.stringMatching(/block 1000: its index entry points to page 2147483647/),
    ]);
    await disk.unmount();
    const check = await place.refused(["check", pool]);
    expect([check.status, check.stdout]).toEqual([4, expect.stringMatching(/block 1000\b/)]);
    expect((await place.refused(["mount", pool, disk.directory])).stderr).toMatch(/index entry/);
  }));

const CUTS = { data: 10 * MIB, index: 2 * PAGE };

for (const [where, lengthBytes] of Object.entries(CUTS)) {
  it(`a pool file that somebody cuts off in its ${where}`, () =>
    withPlace(async (place) => {
      const { disk, pool, serverPid } = await servedDisk(place);
      truncateSync(pool, lengthBytes);
      expect(await io(disk, "pread 15m 64k")).toMatch(/Input\/output error/);
      await expectDamage(
        disk,
        /another process truncated the pool|can no longer be accessed|points to page 4294967295/,
      );
      expect(await io(disk, "pread 11m 4k")).toMatch(/Input\/output error/);
      if (lengthBytes > MIB) expect(await io(disk, "pread -v 9m 1")).toMatch(/: {2}29/);
      expect(await io(disk, "pwrite 0 4k")).toMatch(/Read-only file system/);
      expect(await io(disk, "fpunch 0 4k")).toMatch(/Read-only file system/);
      expect((await disk.status()).serverPid).toBe(serverPid);
      await disk.unmount();
      // The end of a server that leaves the pool unclean is no death.
      const said = logOf(disk.directory).map(({ msg }) => msg);
      expect(said.filter((msg) => /the next one takes over/.test(String(msg)))).toEqual([]);
      expect(said.at(-1)).toMatch(/stays marked as unclean.*; the mount ends$/);
    }));
}

it("data of a directory that somebody cuts off in direct mode", () =>
  withPlace(async (place) => {
    const pool = `${await place.tmpfs("64M")}/pool`;
    await place.kmemfs(["format", pool, "--split", "--size", "16M"]);
    const disk = await place.mount({ pool, args: ["--io", "direct"] });
    await disk.io("pwrite -q -S 0x33 -b 1m 0 16m");
    truncateSync(`${pool}/data`, 8 * MIB);
    await expectDamage(disk, /another process truncated the pool/);
    expect(await io(disk, "fpunch 0 4k")).toMatch(/Read-only file system/);
    // The next server knows it too, and makes nothing longer.
    signal((await disk.status()).serverPid, "SIGKILL");
    expect(await io(disk, "fpunch 0 4k")).toMatch(/Read-only file system/);
    expect(statSync(`${pool}/data`).size).toBe(8 * MIB);
    expect(await io(disk, "pread -v 7m 1")).toMatch(/: {2}33/);
    await disk.unmount();
    // Mounted again, what is missing would read as holes.
    for (const way of ["served", "direct"]) {
      const { stderr } = await place.refused(["mount", pool, disk.directory, "--io", way]);
      expect(stderr).toMatch(/another process truncated data to 8388608 of 16777216 bytes/);
    }
    expect((await place.refused(["check", pool])).status).toBe(4);
    const repair = await place.refused(["check", "--repair", pool]);
    expect([repair.status, repair.stdout]).toEqual([1, expect.stringMatching(/past byte 8388608 is lost/)]);
    await place.kmemfs(["check", pool]);
    const again = await place.mount({ pool });
    expect(await io(again, "pread -v 7m 1")).toMatch(/: {2}33/);
    expect(await io(again, "pread -v 9m 1")).toMatch(/: {2}00/);
    await again.unmount();
  }));

it("a pool that was not closed says so once", () =>
  withPlace(async (place) => {
    const { disk, pool, serverPid } = await servedDisk(place, ["--restarts", "0"]);
    const { holderPid } = await disk.status();
    signal(serverPid, "SIGKILL");
    const again = ["mount", pool, place.makeDirectory("again")];
    place.endsWithUs(place.path("again"));
    await until(() => !existsSync(`/proc/${holderPid}`), FOUND_MS, "the holder to end");
    expect((await place.kmemfs(again)).stdout).toMatch(/was not closed cleanly; all of it was checked/);
    await place.kmemfs(["unmount", place.path("again")]);
    expect((await place.kmemfs(again)).stdout).not.toMatch(/not closed/);
  }));
