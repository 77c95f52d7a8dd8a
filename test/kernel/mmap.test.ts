/** The file can be mapped, shared and for writing, and what is stored there is what others read. */
import { expect } from "vitest";
import { withDisk } from "../support/place.js";
import { run } from "../support/processes.js";
import { testedIo } from "../support/project.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, commands: ["xfs_io"] });

const MIB = 2 ** 20;
/**
 * A load from a hole of a mapped tmpfs file makes a page (shmem_fault); served, nobody maps tmpfs.
 * At most: such a page is clean, and the kernel drops a few of them under load, of a plain tmpfs file too.
 */
const HOLE_COSTS = testedIo === "served" ? 0 : 1;

it("stores through a shared mapping reach the file, loads see what was written", () =>
  withDisk({ size: "16M" }, async (disk) => {
    await disk.io("mmap -rw 0 8m", "mwrite -S 0x71 4096 65536", "mwrite -S 0x72 8388607 1", "msync -s", "munmap");
    const line = `head -c 65536 /dev/zero | tr '\\0' '\\161' | cmp -n 65536 - '${disk.file}' 0 4096`;
    await run("sh", ["-c", line]);
    expect((await disk.expectAccount()).usedBytes).toBe(65536 + 4096);
    const seen = await disk.io("pwrite -q -S 0x73 1m 4k", "mmap -r 1m 4k", "mread -v 1048576 16", "munmap");
    expect(seen).toMatch(/(73 ){15}73/);
    await disk.io(`fpunch 0 ${16 * MIB}`);
    expect(await disk.io("mmap -r 0 1m", "mread -v 4096 16", "munmap")).toMatch(/(00 ){15}00/);
    expect((await disk.expectAccount()).usedBytes).toBeLessThanOrEqual(HOLE_COSTS * 4096);
  }));

it("what reading holes through a mapping costs is in the account, and can be discarded", () =>
  withDisk({ size: "64M" }, async (disk) => {
    await disk.io("mmap -r 0 64m", "mread -r 0 64m", "munmap");
    const { usedBytes } = await disk.expectAccount();
    expect(usedBytes).toBeLessThanOrEqual(HOLE_COSTS * 64 * MIB);
    expect(usedBytes).toBeGreaterThanOrEqual(HOLE_COSTS * 60 * MIB);
    await disk.io("fpunch 0 64m");
    expect((await disk.expectAccount()).usedBytes).toBe(0);
  }));
