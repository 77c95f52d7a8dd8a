/** A file larger than its pool: when the pool is full writes get ENOSPC, nothing acknowledged is lost, a trim helps. */
import { expect } from "vitest";
import { bytesOf, compareLedger, writeWithLedger } from "../support/ledger.js";
import { someOf } from "../support/longForm.js";
import { withDisk } from "../support/place.js";
import { run } from "../support/processes.js";
import { requires } from "../support/requires.js";

const { it } = requires({
  root: true,
  fuse: true,
  loop: true,
  commands: ["xfs_io", "fio", "blkdiscard"],
});

const MIB = 2 ** 20;
const THIN = { size: "256M", args: ["--pool-size", "64M"] };

for (const pool of someOf(["tmpfs", "memfd"], 1)) {
  for (const on of ["the file", "a loop device"]) {
    it(`${pool}, on ${on}`, () =>
      withDisk({ pool, ...THIN }, async (disk) => {
        const path = on === "the file" ? disk.file : await disk.loop();
        const before = await disk.status();
        const first = await writeWithLedger(path, { count: 96, length: MIB });
        expect(first.errors).toEqual(["pwrite: No space left on device"]);
        expect(bytesOf(first.acknowledged)).toBeGreaterThan(60 * MIB);
        await compareLedger(path, first.acknowledged);
        const full = await disk.expectAccount();
        expect(full.usedBytes).toBeGreaterThanOrEqual(bytesOf(first.acknowledged));

        // Blocks that have a page can still be written.
        const again = await writeWithLedger(path, { count: 8, length: MIB }, 77);
        expect(again).toMatchObject({ errors: [], acknowledged: { length: 8 } });
        await compareLedger(path, [...again.acknowledged, ...first.acknowledged.slice(8)]);

        if (on === "the file") await run("fallocate", ["-p", "-o", "0", "-l", `${32 * MIB}`, path]);
        else await run("blkdiscard", ["-o", "0", "-l", `${32 * MIB}`, path]);
        const room = await writeWithLedger(path, { count: 24, length: MIB, start: 200 * MIB }, 99);
        expect(room).toMatchObject({ errors: [], acknowledged: { length: 24 } });
        await compareLedger(path, [...room.acknowledged, ...first.acknowledged.slice(32)]);

        const after = await disk.expectAccount();
        expect([after.serverPid, after.restarts]).toEqual([before.serverPid, 0]);
      }));
  }
}

it("discards and writes in turn never see a shortage that is none", () =>
  withDisk({ pool: "tmpfs", size: "256M", args: ["--pool-size", "34M"] }, async (disk) => {
    for (let i = 0; i < 8; i++) {
      const start = i * 32 * MIB;
      const { errors } = await writeWithLedger(disk.file, { count: 32, length: MIB, start }, i);
      expect(errors, `round ${i}`).toEqual([]);
      await run("fallocate", ["-p", "-o", `${start}`, "-l", `${32 * MIB}`, disk.file]);
    }
    expect((await disk.expectAccount()).usedBytes).toBe(0);
  }));

it("four writers at once into a full pool", () =>
  withDisk(THIN, async (disk) => {
    const before = await disk.status();
    const job = [
      "--ioengine=psync",
      "--rw=randwrite",
      "--bs=64k",
      "--size=64m",
      "--offset_increment=64m",
      "--numjobs=4",
    ];
    const args = ["--name=full", `--filename=${disk.file}`, "--direct=1", "--minimal", ...job];
    const { status, stderr } = await run("fio", args, { allowFail: true, cwd: "/" });
    expect(status).not.toBe(0);
    expect(stderr).toMatch(/No space left on device/);
    expect(stderr).not.toMatch(/Input\/output error/);
    const full = await disk.expectAccount();
    expect(full.usedBytes).toBeGreaterThan(60 * MIB);
    await run("fallocate", ["-p", "-o", "0", "-l", `${256 * MIB}`, disk.file]);
    const after = await disk.expectAccount();
    expect([after.usedBytes, after.serverPid]).toEqual([0, before.serverPid]);
  }));
