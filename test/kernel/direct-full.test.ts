/** No memory left in direct mode: ENOSPC to the writer, nothing lost, room again helps, and the mount ends and begins again. */
import { expect } from "vitest";
import { bytesOf, compareLedger, writeWithLedger } from "../support/ledger.js";
import { withDisk, withPlace } from "../support/place.js";
import { run } from "../support/processes.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, kernel: "6.9", commands: ["xfs_io"] });

const MIB = 2 ** 20;
const DIRECT = ["--io", "direct"];

it("a private tmpfs that is full: ENOSPC and not EIO, until pages are punched", () =>
  withDisk({ size: "32M", args: DIRECT }, async (disk) => {
    const first = await writeWithLedger(disk.file, { count: 32, length: MIB });
    expect(first).toMatchObject({ errors: [], acknowledged: { length: 32 } });
    const full = await disk.expectAccount();
    expect([full.usedBytes, full.freeBytes, full.peakBytes]).toEqual([32 * MIB, 0, 32 * MIB]);
    // What is left is the index's room.
    const { stderr } = await run("xfs_io", ["-c", "pwrite 32m 1m", disk.file], { allowFail: true });
    expect(stderr).toMatch(/No space left on device/);
    await disk.io("fpunch 0 4m");
    const again = await writeWithLedger(disk.file, { count: 4, length: MIB }, 90);
    expect(again).toMatchObject({ errors: [], acknowledged: { length: 4 } });
    await compareLedger(disk.file, [...again.acknowledged, ...first.acknowledged.slice(4)]);
    await disk.expectAccount();
  }));

it("a directory on a tmpfs that is full to the last page is unmounted, mounted and served again", () =>
  withPlace(async (place) => {
    const tmpfs = await place.tmpfs("16M");
    const pool = `${tmpfs}/pool`;
    await place.kmemfs(["format", pool, "--split", "--size", "64M"]);
    const disk = await place.mount({ pool, args: DIRECT });
    const written = await writeWithLedger(disk.file, { count: 20, length: MIB });
    expect(written.errors).toEqual(["pwrite: No space left on device"]);
    await run("xfs_io", ["-c", "pwrite -q -S 1 -b 4k 40m 1m", disk.file], { allowFail: true });
    expect(bytesOf(written.acknowledged)).toBeGreaterThan(15 * MIB);
    expect((await run("df", ["--output=avail", tmpfs])).stdout).toMatch(/\b0\n$/);
    const full = await disk.expectAccount();
    await disk.unmount();
    // No page is left for the index: the pool says so and stays direct, and all is there.
    expect((await place.kmemfs(["check", pool])).stdout).toMatch(/: direct, .*no errors/);
    const other = place.makeDirectory("other");
    const served = await place.refused(["mount", pool, other, "--io", "served"]);
    expect([served.status, served.stderr]).toEqual([1, expect.stringMatching(/^kmemfs: .*\(ENOSPC\)\n/)]);
    const again = await place.mount({ pool, args: DIRECT });
    expect((await again.expectAccount()).usedBytes).toBe(full.usedBytes);
    await compareLedger(again.file, written.acknowledged);
    await again.io("fpunch 0 1m");
    await again.unmount();
    expect((await place.kmemfs(["check", pool])).stdout).toMatch(/: clean, .*no errors/);
    const last = await place.mount({ pool, args: ["--io", "served"] });
    await compareLedger(last.file, written.acknowledged.slice(1));
    await last.expectAccount();
  }));
