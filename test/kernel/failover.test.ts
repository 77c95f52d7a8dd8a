/** The server dies, hangs or is replaced: whoever uses the disk sees a pause and nothing else. */
import { existsSync } from "node:fs";
import { expect } from "vitest";
import type { Disk } from "../support/disk.js";
import { startLoad } from "../support/fio.js";
import { signal } from "../support/killed.js";
import { LOG_ERROR, logOf } from "../support/log.js";
import { isLongForm, someOf } from "../support/longForm.js";
import { isMounted, withDisk, withPlace } from "../support/place.js";
import { run, until } from "../support/processes.js";
import { testedIo } from "../support/project.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, loop: true, commands: ["fio", "mkfs.ext4"] });

const NEXT_MS = 60_000;
const MANY = ["--restarts", "1000"];

/** Waits until another server than `pid` serves. @returns its pid */
async function nextServer(disk: Disk, pid: number | null): Promise<number> {
  let next: number | null = null;
  const isNext = async (): Promise<boolean> => {
    next = (await disk.status()).serverPid;
    return next !== null && next !== pid;
  };
  await until(isNext, NEXT_MS, "the next server");
  return next ?? 0;
}

it("kill -9 under fio with verification, on the file and on a file system", () =>
  withDisk({ size: "256M", args: MANY }, async (disk, place) => {
    const device = await disk.loop();
    await place.makeFileSystem("ext4", device);
    const files = await place.mountFileSystem("ext4", device);
    const load = startLoad(place, `--directory=${files}`);
    let before = await disk.status();
    for (let kills = 0; load.isRunning() && kills < (isLongForm ? 12 : 5); kills++) {
      await new Promise((resolve) => setTimeout(resolve, 300 + Math.random() * 300));
      signal(before.serverPid, "SIGKILL");
      await nextServer(disk, before.serverPid);
      const now = await disk.status();
      expect(now.restarts).toBe(before.restarts + 1);
      expect(now.lastDeath).toBe("was killed by SIGKILL");
      for (const name of ["readBytesTotal", "writtenBytesTotal", "discardedBytesTotal", "peakBytes"] as const) {
        expect(now[name] ?? 0, name).toBeGreaterThanOrEqual(before[name] ?? 0);
      }
      before = now;
    }
    await load.finish();
    await run("fstrim", [files]);
    await run("umount", [files]);
    await run("e2fsck", ["-fn", device]);
    await place.detach(device);
    await disk.unmount();
  }));

it("kill -9 while holes and cold pages are read", () =>
  withDisk({ size: "256M", args: MANY }, async (disk, place) => {
    await disk.io("pwrite -q -b 1m 0 64m");
    const reads = ["--rw=randread", "--bs=1m", "--size=256m", "--offset_increment=0", "--verify=0"];
    const load = startLoad(place, `--filename=${disk.file}`, ...reads);
    let { serverPid } = await disk.status();
    for (let kills = 0; load.isRunning() && kills < (isLongForm ? 20 : 5); kills++) {
      await new Promise((resolve) => setTimeout(resolve, 100 + Math.random() * 200));
      signal(serverPid, "SIGKILL");
      serverPid = await nextServer(disk, serverPid);
    }
    await load.finish();
  }));

it("kmemfs restart replaces the server under load, and the pool is closed clean", () =>
  withPlace(async (place) => {
    const pool = place.path("pool");
    await place.kmemfs(["format", pool, "--size", "64M", ...(testedIo === "direct" ? ["--split"] : [])]);
    const disk = await place.mount({ pool });
    const load = startLoad(place, `--filename=${disk.file}`);
    const rounds = isLongForm ? 3 : 1;
    for (let i = 0; i < rounds; i++) {
      const { serverPid } = await disk.status();
      const { stdout } = await place.kmemfs(["restart", disk.directory]);
      expect(stdout).toMatch(/: server \d+ took over after \d+ ms/);
      expect((await disk.status()).serverPid).not.toBe(serverPid);
      expect(existsSync(`/proc/${serverPid}`)).toBe(false);
    }
    await load.finish();
    expect(await disk.status()).toMatchObject({ restarts: rounds, lastDeath: "was replaced" });
    await disk.unmount();
    expect((await place.kmemfs(["check", pool])).stdout).toMatch(/: clean, .*no errors/);
  }));

it("a server that hangs is killed, and the next one takes over", () =>
  withDisk({ size: "32M", args: ["--watchdog", "1"] }, async (disk) => {
    await disk.io("pwrite -q -S 0x31 0 4m");
    const sum = await disk.sum();
    const { serverPid } = await disk.status();
    signal(serverPid, "SIGSTOP");
    await nextServer(disk, serverPid);
    expect(await disk.sum()).toBe(sum);
    expect((await disk.status()).lastDeath).toMatch(/^hung and was killed: its .* was unresponsive for 1 s$/);
  }));

it("a server that dies again and again is given up, and callers get errors", () =>
  withPlace(async (place) => {
    const pool = place.path("pool");
    await place.kmemfs(["format", pool, "--size", "32M", ...(testedIo === "direct" ? ["--split"] : [])]);
    const disk = await place.mount({ pool, args: ["--restarts", "2"] });
    const { holderPid } = await disk.status();
    let pid: number | null = null;
    for (let death = 1; death <= 3; death++) {
      pid = await nextServer(disk, pid);
      process.kill(pid, "SIGKILL");
    }
    await until(() => !existsSync(`/proc/${holderPid}`), NEXT_MS, "the holder to end");
    expect(isMounted(disk.directory)).toBe(false);
    const last = logOf(disk.directory).at(-1);
    expect(last).toMatchObject({ level: LOG_ERROR, msg: expect.stringMatching(/3 deaths within a minute/) });
    await place.expectNothingLeft();
  }));

it("a server that dies while its mount ends closes the pool all the same", () =>
  withPlace(async (place) => {
    const pool = place.path("pool");
    await place.kmemfs(["format", pool, "--size", "64M", ...(testedIo === "direct" ? ["--split"] : [])]);
    for (const delayMs of someOf([2, 10, 0, 5, 20], 2)) {
      const disk = await place.mount({ pool });
      await disk.io("pwrite -q -S 0x31 -b 1m 0 32m");
      const { serverPid, holderPid } = await disk.status();
      await run("umount", [disk.directory]);
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      if (existsSync(`/proc/${serverPid}`)) signal(serverPid, "SIGKILL");
      await until(() => !existsSync(`/proc/${holderPid}`), NEXT_MS, "the holder to end");
      expect((await place.kmemfs(["check", pool])).stdout).toMatch(/: clean, .*no errors/);
    }
    await place.expectNothingLeft();
  }));
