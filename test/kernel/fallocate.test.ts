/** fallocate(2) in its modes: what they do to bytes and to memory, and which are refused. */
import { expect } from "vitest";
import type { Disk } from "../support/disk.js";
import { withDisk } from "../support/place.js";
import { type RunResult, run } from "../support/processes.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, commands: ["xfs_io", "fallocate", "cmp"] });

const MIB = 2 ** 20;

function fallocate(disk: Disk, ...args: readonly string[]): Promise<RunResult> {
  return run("fallocate", [...args, disk.file], { allowFail: true });
}

/** Bytes [offset, offset + length) are all `byte`. */
async function expectBytes(disk: Disk, offset: number, length: number, byte: number): Promise<void> {
  const expected = `head -c ${length} /dev/zero | tr '\\0' '\\${byte.toString(8).padStart(3, "0")}'`;
  const compared = `${expected} | cmp -n ${length} - '${disk.file}' 0 ${offset}`;
  await run("sh", ["-c", compared]);
}

for (const mode of ["-p", "-z"]) {
  const name = mode === "-p" ? "PUNCH_HOLE" : "ZERO_RANGE";
  it(`${name} with unaligned edges zeroes exactly its range and gives whole blocks back`, () =>
    withDisk({ size: "8M" }, async (disk) => {
      await disk.io("pwrite -q -S 0xee 0 8m");
      const ranges = [
        [1, 1],
        [4095, 2],
        [8192 + 100, 4096],
        [MIB - 7, MIB + 14],
        [4 * MIB, 4096],
        [5 * MIB + 4095, 4098],
      ] as const;
      let wholeBlocks = 0;
      for (const [offset, length] of ranges) {
        expect((await fallocate(disk, mode, "-o", `${offset}`, "-l", `${length}`)).status).toBe(0);
        await expectBytes(disk, offset, length, 0);
        if (offset > 0) await expectBytes(disk, offset - 1, 1, offset - 1 < 2 && offset > 1 ? 0 : 0xee);
        await expectBytes(disk, offset + length, 1, 0xee);
        wholeBlocks += Math.max(0, Math.floor((offset + length) / 4096) - Math.ceil(offset / 4096));
      }
      const { usedBytes } = await disk.expectAccount();
      expect(usedBytes).toBe(8 * MIB - wholeBlocks * 4096);
    }));
}

it("ranges past the end", () =>
  withDisk({ size: "4M" }, async (disk) => {
    await disk.io("pwrite -q -S 0xee 0 4m");
    const at = (offset: number, length: number): string[] => ["-o", `${offset}`, "-l", `${length}`];
    expect((await fallocate(disk, "-p", ...at(4 * MIB, MIB))).status).toBe(0);
    expect((await fallocate(disk, "-p", ...at(2 ** 50, MIB))).status).toBe(0);
    expect((await disk.expectAccount()).usedBytes).toBe(4 * MIB);
    expect((await fallocate(disk, "-p", ...at(3 * MIB, 2 ** 40))).status).toBe(0);
    expect((await disk.expectAccount()).usedBytes).toBe(3 * MIB);
    expect((await fallocate(disk, "-z", "-n", ...at(2 * MIB, 2 ** 40))).status).toBe(0);
    expect((await disk.expectAccount()).usedBytes).toBe(2 * MIB);
    expect((await fallocate(disk, "-n", ...at(4 * MIB, MIB))).status).toBe(0);
    for (const mode of [[], ["-z"]]) {
      const { status, stderr } = await fallocate(disk, ...mode, ...at(3 * MIB, 2 * MIB));
      expect([status, stderr], mode.join()).toEqual([1, expect.stringMatching(/File too large/)]);
    }
    expect((await disk.expectAccount()).usedBytes).toBe(2 * MIB);
    expect((await disk.stat()).sizeBytes).toBe(4 * MIB);
  }));

it("mode 0 reserves pages that read as zeros, and writes there need no more", () =>
  withDisk({ size: "8M", args: ["--pool-size", "4M"] }, async (disk) => {
    await disk.io("pwrite -q -S 0xee 4096 4096");
    expect((await fallocate(disk, "-o", "0", "-l", `${2 * MIB}`)).status).toBe(0);
    expect((await disk.expectAccount()).usedBytes).toBe(2 * MIB);
    await expectBytes(disk, 0, 4096, 0);
    await expectBytes(disk, 4096, 4096, 0xee);
    await expectBytes(disk, 8192, 2 * MIB - 8192, 0);
    expect((await fallocate(disk, "-n", "-o", `${2 * MIB}`, "-l", `${MIB}`)).status).toBe(0);
    expect((await disk.expectAccount()).usedBytes).toBe(3 * MIB);
    await disk.io("pwrite -q -S 0x11 0 3m");
    expect((await disk.expectAccount()).usedBytes).toBe(3 * MIB);
  }));

it("a reservation that does not fit is ENOSPC, and what it took can be given back", () =>
  withDisk({ size: "8M", args: ["--pool-size", "4M"] }, async (disk) => {
    const { status, stderr } = await fallocate(disk, "-o", "0", "-l", `${8 * MIB}`);
    expect([status, stderr]).toEqual([1, expect.stringMatching(/No space left on device/)]);
    await disk.expectAccount();
    await fallocate(disk, "-p", "-o", "0", "-l", `${8 * MIB}`);
    expect((await disk.expectAccount()).usedBytes).toBe(0);
    await disk.io("pwrite -q -S 0x11 0 3m");
  }));

it("modes that would move or unshare bytes are refused as not supported", () =>
  withDisk({ size: "4M" }, async (disk) => {
    await disk.io("pwrite -q -S 0xee 0 4m");
    for (const mode of ["-c", "-i"]) {
      const { status, stderr } = await fallocate(disk, mode, "-o", "0", "-l", "4096");
      expect([status, stderr], mode).toEqual([1, expect.stringMatching(/not supported/)]);
    }
    const unshare = await run("xfs_io", ["-c", "funshare 0 4k", disk.file], { allowFail: true });
    expect(unshare.stderr).toMatch(/not supported/);
    expect((await disk.expectAccount()).usedBytes).toBe(4 * MIB);
  }));
