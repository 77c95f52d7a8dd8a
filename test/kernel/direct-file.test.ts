/** The file in direct mode as programs use it: many opens, truncation, mapping, appending, the end of the disk, trims, flushes. */
import { expect } from "vitest";
import type { Disk } from "../support/disk.js";
import { fioVerify } from "../support/fio.js";
import { logOf } from "../support/log.js";
import { withDisk, withPlace } from "../support/place.js";
import { run, start, until } from "../support/processes.js";
import { requires } from "../support/requires.js";
import { sleeperAfter } from "../support/sleeper.js";

const needs = { root: true, fuse: true, kernel: "6.9", commands: ["xfs_io", "fio"] } as const;
const { it } = requires(needs);
const onLoop = requires({ ...needs, loop: true, commands: [...needs.commands, "mkfs.ext4", "fstrim"] });
const traced = requires({ ...needs, commands: [...needs.commands, "strace"] });

const MIB = 2 ** 20;
const WAIT_MS = 60_000;
const DIRECT = ["--io", "direct"];

/** Commands of xfs_io with options of its own for the open. */
async function io(disk: Disk, flags: readonly string[], ...commands: readonly string[]): Promise<string> {
  return (await run("xfs_io", [...flags, ...commands.flatMap((one) => ["-c", one]), disk.file])).stdout;
}

it("opens of all kinds while another is in use see one file", () =>
  withDisk({ size: "16M", args: DIRECT }, async (disk, place) => {
    const reader = await sleeperAfter(place, `exec 9<'${disk.file}'`);
    await io(disk, [], "pwrite -q -S 0x41 0 1m");
    await io(disk, ["-d"], "pwrite -q -S 0x42 -b 64k 1m 1m");
    await io(disk, ["-s"], "pwrite -q -S 0x43 2m 1m");
    await io(disk, ["-r"], "pread -q 0 3m");
    await run("sh", ["-c", `printf x >> '${disk.file}'`]);
    await run("sh", ["-c", `head -c 4096 /dev/zero | tr '\\0' D 1<>'${disk.file}'`]);
    const { stdout } = await run("sh", [
      "-c",
      `od -An -c -j1048574 -N4 '${disk.file}'; tail -c +2097150 '${disk.file}' | head -c 4`,
    ]);
    expect(stdout.replace(/\s/g, "")).toBe("AABBBBBC");
    await until(async () => (await disk.stat()).allocatedBytes === 3 * MIB, WAIT_MS, "what was appended to be cut off");
    expect((await disk.expectAccount()).sizeBytes).toBe(16 * MIB);
    // O_TRUNC empties the disk and keeps its size, for those who have it open too.
    await run("sh", ["-c", `: > '${disk.file}'`]);
    expect(await disk.stat()).toEqual({ sizeBytes: 16 * MIB, allocatedBytes: 0 });
    await run("sh", ["-c", `cmp -n ${16 * MIB} /dev/zero /proc/${reader.pid}/fd/9`]);
    await run("dd", ["if=/dev/zero", `of=${disk.file}`, "bs=64k", "count=1", "status=none"]);
    expect((await disk.expectAccount()).usedBytes).toBe(65536);
  }));

it("a shared mapping, buffered and direct I/O see each other's bytes", () =>
  withDisk({ size: "16M", args: DIRECT }, async (disk) => {
    await io(disk, [], "mmap -rw 0 1m", "mwrite -S 0x61 4096 8192", "pread -v 4096 1", "pwrite -q -S 0x62 8192 4096");
    const read = (flags: readonly string[], at: number) => io(disk, flags, `pread -v -b 4096 ${at} 4096`);
    expect(await read(["-d"], 4096)).toMatch(/^00001000: {2}61 61/);
    expect(await read(["-d"], 8192)).toMatch(/^00002000: {2}62 62/);
    await io(disk, ["-d"], "pwrite -q -S 0x63 -b 4096 4096 4096");
    expect(await io(disk, [], "mmap -r 0 1m", "mread -v 4096 4")).toMatch(/00001000: {2}63 63/);
    await io(disk, [], "mmap -rw 0 1m", "fpunch 4096 4096", "mwrite -S 0x64 100 1");
    expect(await read([], 4096)).toMatch(/^00001000: {2}00 00/);
    expect((await disk.expectAccount()).usedBytes).toBe(2 * 4096);
  }));

it("what is written past the end is gone soon, and nothing else changed", () =>
  withPlace(async (place) => {
    const pool = `${await place.tmpfs("64M")}/pool`;
    await place.kmemfs(["format", pool, "--split", "--size", "8M", "--max-size", "16M"]);
    const disk = await place.mount({ pool, args: DIRECT });
    await disk.io("pwrite -q -S 0x41 7m 1m");
    const sum = await disk.sum(0, 8 * MIB);
    const meta = (await run("sha256sum", [`${pool}/meta`])).stdout;
    for (const at of ["8m", "12m", "40m"])
      await run("xfs_io", ["-c", `pwrite -q -S 0x42 ${at} 64k`, disk.file], { allowFail: true });
    const length = async (): Promise<string> => (await run("stat", ["-c", "%s", `${pool}/data`])).stdout.trim();
    await until(async () => (await length()) === `${8 * MIB}`, WAIT_MS, "data to end with the disk");
    expect((await disk.stat()).sizeBytes).toBe(8 * MIB);
    expect([await disk.sum(0, 8 * MIB), (await run("sha256sum", [`${pool}/meta`])).stdout]).toEqual([sum, meta]);
    await disk.io("truncate 16m");
    await run("cmp", ["-n", `${8 * MIB}`, "-i", `${8 * MIB}:0`, disk.file, "/dev/zero"]);
    expect((await disk.expectAccount()).usedBytes).toBe(MIB);
  }));

it("punched beside verified writes: the account is exact after", () =>
  withDisk({ size: "32M", args: DIRECT }, async (disk) => {
    const rounds = Array.from({ length: 150 }, (_, i) => 16 * MIB + ((i * 37) % 64) * 65536);
    await Promise.all([
      fioVerify(disk.file, { rw: "randwrite", ioengine: "psync", size: "8m", jobs: 2 }),
      disk.io(...rounds.flatMap((at) => [`pwrite -q ${at} 256k`, `fpunch ${at + 5000} 200000`])),
    ]);
    const { usedBytes, discardedBytesTotal } = await disk.expectAccount();
    expect(usedBytes).toBeGreaterThan(16 * MIB);
    await disk.io("fpunch 0 32m");
    const after = await disk.expectAccount();
    expect([after.usedBytes, after.discardedBytesTotal - discardedBytesTotal]).toEqual([0, usedBytes]);
    expect(after.peakBytes).toBeGreaterThanOrEqual(usedBytes);
  }));

onLoop.it("ext4 on a loop device gives its memory back with fstrim", () =>
  withDisk({ size: "128M", args: DIRECT }, async (disk, place) => {
    const device = await disk.loop();
    await fioVerify(device, { rw: "randtrimwrite", ioengine: "psync", size: "8m" });
    expect((await disk.expectAccount()).usedBytes).toBeLessThanOrEqual(8 * MIB);
    await place.makeFileSystem("ext4", device);
    const files = await place.mountFileSystem("ext4", device);
    await run("dd", ["if=/dev/urandom", `of=${files}/a`, "bs=1M", "count=64", "conv=fsync", "status=none"]);
    const full = (await disk.quiet()).usedBytes;
    expect(full).toBeGreaterThan(64 * MIB);
    await run("rm", [`${files}/a`]);
    await run("sync", ["-f", files]);
    await run("fstrim", [files]);
    expect((await disk.expectAccount()).usedBytes).toBeLessThan(full - 63 * MIB);
  }),
);

traced.it(
  "fsync reaches the media of a durable pool; one that fails is told, stays failed, and the end is no success",
  () =>
    withPlace(async (place) => {
      const pool = place.path("pool");
      await place.kmemfs(["format", pool, "--split", "--size", "16M"]);
      const disk = await place.mount({ pool, args: DIRECT });
      const { serverPid, holderPid } = await disk.status();
      const output = place.path("trace");
      const trace = async (...more: string[]) => {
        const strace = start("strace", ["-f", "-p", `${serverPid}`, "-o", output, "-e", "trace=fdatasync", ...more]);
        place.cleanup.add("strace", () => strace.stop());
        await strace.waitFor(/attached/);
        return strace;
      };
      const counting = await trace();
      await disk.io("pwrite -q -S 0x41 0 64k", "fsync");
      await counting.stop();
      // Of data, and then of meta.
      expect((await run("cat", [output])).stdout.match(/fdatasync\(\d+\) += 0/g)).toHaveLength(2);
      const strace = await trace("-e", "inject=fdatasync:error=EIO:when=1");
      const fsync = async () => (await run("xfs_io", ["-c", "fsync", disk.file], { allowFail: true })).stderr;
      expect(await fsync()).toMatch(/Input\/output error/);
      await strace.stop();
      expect(await fsync()).toMatch(/Input\/output error/);
      const told = () => logOf(disk.directory).some((line) => /cannot be flushed \(EIO\)/.test(line.msg));
      await until(told, WAIT_MS, "the log to tell");
      await place.refused(["unmount", disk.directory]);
      await until(
        () => logOf(disk.directory).some((line) => /could not be flushed/.test(line.msg)),
        WAIT_MS,
        "the end to fail",
      );
      await until(
        async () => (await run("test", ["-e", `/proc/${holderPid}`], { allowFail: true })).status !== 0,
        WAIT_MS,
        "the holder to end",
      );
      expect((await place.kmemfs(["check", pool])).stdout).toMatch(/: direct, /);
    }),
);
