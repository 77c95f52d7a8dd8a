/**
 * The server is killed, and no other may follow: the session ends, the log says why, nothing hangs, ordinary commands
 * clean up. The holder ends with it where the pool has a path (what it keeps otherwise: given-up.test.ts).
 */
import { existsSync } from "node:fs";
import { expect } from "vitest";
import { signal } from "../support/killed.js";
import { LOG_ERROR, logOf } from "../support/log.js";
import { controlSocket, isMounted, type Place, withPlace } from "../support/place.js";
import { run, start, until } from "../support/processes.js";
import { testedIo } from "../support/project.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, loop: true, commands: ["fio", "mkfs.ext4"] });

const END_MS = 60_000;
/** The first death is the last. */
const LAST = ["--restarts", "0"];

/** A pool whose data is in files. */
async function poolArgs(place: Place): Promise<{ readonly pool: string; readonly args: readonly string[] }> {
  const pool = place.path("pool");
  await place.kmemfs(["format", pool, "--size", "128M", ...(testedIo === "direct" ? ["--split"] : [])]);
  return { pool, args: LAST };
}

it("under load on the file", () =>
  withPlace(async (place) => {
    const disk = await place.mount(await poolArgs(place));
    const { serverPid, holderPid } = await disk.status();
    const job = [
      "--rw=randrw",
      "--bs=4k",
      "--size=64m",
      "--ioengine=psync",
      "--numjobs=4",
      "--time_based",
      "--runtime=300",
    ];
    const load = start("fio", ["--name=load", `--filename=${disk.file}`, "--direct=1", ...job], { cwd: "/" });
    place.cleanup.add("fio", () => load.stop());
    const isWritten = async (): Promise<boolean> => (await disk.status()).usedBytes > 2 ** 22;
    await until(isWritten, END_MS, "fio to write");
    signal(serverPid, "SIGKILL");
    await until(() => !isMounted(disk.directory), END_MS, "the mount to go away");
    await until(() => !existsSync(`/proc/${holderPid}`), END_MS, "the holder to end");
    if (testedIo === "served") {
      const timer = setTimeout(() => load.stop(), END_MS);
      expect(await load.exited).not.toBe(0);
      clearTimeout(timer);
      expect(load.stderr() + load.stdout()).toMatch(
        /Transport endpoint is not connected|Input\/output error|Software caused/,
      );
    } else {
      // The kernel goes on with what is open.
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(existsSync(`/proc/${load.pid}`)).toBe(true);
      await load.stop();
    }
    expect(existsSync(controlSocket(disk.directory))).toBe(false);
    const last = logOf(disk.directory).at(-1);
    expect(last).toMatchObject({ level: LOG_ERROR, msg: expect.stringMatching(/killed by SIGKILL/) });
    await place.expectNothingLeft();
  }));

it("under a file system on a loop device", () =>
  withPlace(async (place) => {
    const disk = await place.mount(await poolArgs(place));
    const device = await disk.loop();
    await place.makeFileSystem("ext4", device);
    const files = await place.mountFileSystem("ext4", device);
    await run("dd", ["if=/dev/urandom", `of=${files}/a`, "bs=1M", "count=16", "conv=fsync", "status=none"]);
    const { serverPid, holderPid } = await disk.status();
    const writer = start("dd", ["if=/dev/zero", `of=${files}/b`, "bs=64k", "oflag=direct", "count=100000"]);
    place.cleanup.add("dd", () => writer.stop());
    signal(serverPid, "SIGKILL");
    await until(() => !existsSync(`/proc/${holderPid}`), END_MS, "the holder to end");
    const timer = setTimeout(() => writer.stop(), END_MS);
    expect(await writer.exited).toBe(1);
    clearTimeout(timer);
    await run("umount", [files], { timeoutMs: END_MS });
    await run("losetup", ["-d", device], { timeoutMs: END_MS });
    await until(() => !place.isAttached(device), END_MS, "the loop device to be free");
    // Under a loop device the dead mount stays, so that the device can be told by its file.
    expect(isMounted(disk.directory)).toBe(true);
    await run("umount", [disk.directory], { timeoutMs: END_MS });
    await place.expectNothingLeft();
    // The same mount point serves again.
    await place.mount({ size: "16M" });
  }));

it("a pool with a path opens again and has what was written", () =>
  withPlace(async (place) => {
    const pool = place.path("pool");
    const disk = await place.mount({ pool, size: "32M", args: ["--create", ...LAST] });
    await disk.io("pwrite -q -S 0x21 -b 1m 3m 8m", "fpunch 4m 1m", "fsync");
    const sum = await disk.sum();
    const { serverPid, holderPid } = await disk.status();
    signal(serverPid, "SIGKILL");
    await until(() => !existsSync(`/proc/${holderPid}`), END_MS, "the holder to end");
    const again = await place.mount({ pool });
    expect(await again.sum()).toBe(sum);
    expect((await again.quiet()).usedBytes).toBe(7 * 2 ** 20);
  }));
