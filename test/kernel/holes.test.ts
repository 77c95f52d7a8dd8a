/** Holes are told truly: SEEK_DATA and SEEK_HOLE, st_blocks, statfs, and what cp, du and df make of them. */
import { expect } from "vitest";
import type { Disk } from "../support/disk.js";
import { someOf } from "../support/longForm.js";
import { withDisk } from "../support/place.js";
import { run } from "../support/processes.js";
import { testedIo } from "../support/project.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, commands: ["xfs_io", "cp", "du", "df"] });

const MIB = 2 ** 20;

async function numbers(command: string, args: readonly string[]): Promise<number[]> {
  const { stdout } = await run(command, args);
  return (stdout.match(/\b\d+\b/g) ?? []).map(Number);
}

/** Two islands of data: 1 MiB at 1 MiB, and the last block. */
function makeIslands(disk: Disk): Promise<string> {
  return disk.io("pwrite -q -S 0x31 1m 1m", "pwrite -q -S 0x32 67104768 4k");
}

it("SEEK_DATA and SEEK_HOLE from every place", () =>
  withDisk({ size: "64M" }, async (disk) => {
    await makeIslands(disk);
    expect(await disk.io("seek -a -r 0")).toBe(
      `Whence\tResult\nHOLE\t0\nDATA\t${MIB}\nHOLE\t${2 * MIB}\nDATA\t${64 * MIB - 4096}\nHOLE\t${64 * MIB}\n`,
    );
    expect(await disk.io("seek -d 5000", "seek -h 5000", "seek -d 1500000", "seek -h 1500000")).toBe(
      `Whence\tResult\nDATA\t${MIB}\nWhence\tResult\nHOLE\t5000\n` +
        `Whence\tResult\nDATA\t1500000\nWhence\tResult\nHOLE\t${2 * MIB}\n`,
    );
    // Past the last data there is only the end; past the end nothing (lseek(2): ENXIO).
    expect(await disk.io("fpunch 67104768 4k", "seek -d 3m", "seek -d 64m", "seek -h 64m")).toMatch(
      /^(Whence\tResult\nDATA\tEOF\n)+Whence\tResult\nHOLE\tEOF\n$/,
    );
  }));

it("cp keeps the holes, out of the file and into it", () =>
  withDisk({ size: "64M" }, async (disk, place) => {
    await makeIslands(disk);
    for (const way of someOf(["auto", "always"], 1)) {
      const copy = place.path(`copy-${way}`);
      await run("cp", [`--sparse=${way}`, disk.file, copy]);
      await run("cmp", [disk.file, copy]);
      const [bytes = 0] = await numbers("du", ["-B1", copy]);
      expect(bytes, way).toBeLessThan(2 * MIB);
    }
    const other = await place.mount({ name: "other", size: "64M" });
    await run("dd", [
      `if=${place.path("copy-auto")}`,
      `of=${other.file}`,
      "bs=4k",
      "conv=sparse,notrunc",
      "status=none",
    ]);
    await run("cmp", [disk.file, other.file]);
    expect((await other.expectAccount()).usedBytes).toBe(MIB + 4096);
  }));

it("du and df tell what is there", () =>
  withDisk({ size: "64M" }, async (disk) => {
    await makeIslands(disk);
    const usedBytes = MIB + 4096;
    expect(await disk.stat()).toEqual({ sizeBytes: 64 * MIB, allocatedBytes: usedBytes });
    expect((await numbers("du", ["-B1", disk.file]))[0]).toBe(usedBytes);
    expect((await numbers("du", ["-B1", "--apparent-size", disk.file]))[0]).toBe(64 * MIB);
    const columns = "--output=size,used,avail";
    const [size, used, available] = await numbers("df", ["-B1", columns, disk.directory]);
    expect([size, used, available]).toEqual([64 * MIB, usedBytes, 64 * MIB - usedBytes]);
    expect(await numbers("stat", ["-f", "-c", "%s %S %b %f %a", disk.directory])).toEqual([
      4096,
      4096,
      16384,
      16384 - 257,
      16384 - 257,
    ]);
  }));

it("reading holes costs no memory", () =>
  withDisk({ size: "512M" }, async (disk) => {
    const before = await disk.expectAccount();
    await run("cmp", ["-n", `${512 * MIB}`, disk.file, "/dev/zero"]);
    const after = await disk.expectAccount();
    expect([after.usedBytes, after.metadataBytes]).toEqual([0, before.metadataBytes]);
    if (testedIo === "served") expect(after.readBytesTotal).toBeGreaterThanOrEqual(512 * MIB);
  }));
