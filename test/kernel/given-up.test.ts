/**
 * Servers die until they are given up, and the pool is memory that only the holder has: it keeps it, and recover --up
 * or restart bring the same disk back with its data, until somebody lets it go.
 */
import { existsSync } from "node:fs";
import { expect } from "vitest";
import { readNote, writeNote } from "../../src/linux/process/noteFile.js";
import type { MountStatus } from "../../src/mounts/status.js";
import { statusOf } from "../support/disk.js";
import { signal } from "../support/killed.js";
import { LOG_ERROR, logOf } from "../support/log.js";
import { someOf } from "../support/longForm.js";
import { ManagedMount } from "../support/managedMount.js";
import { isMounted, type Place, withDisk, withPlace } from "../support/place.js";
import { type RunResult, run, start, until } from "../support/processes.js";
import { kmemfsProgram, testedIo } from "../support/project.js";
import { requires } from "../support/requires.js";
import { userPlace } from "../support/userPlace.js";

const { it, longIt } = requires({ root: true, fuse: true, loop: true, commands: ["mkfs.ext4", "e2fsck", "xfs_io"] });

const END_MS = 60_000;
const LAST = ["--restarts", "0"];
const REASON = "the server was killed by SIGKILL: 1 death within a minute";
const RECOVER = { timeoutMs: 60_000 };

const recover = (place: Place, ...args: string[]): Promise<RunResult> => place.kmemfs(["recover", ...args], RECOVER);

/** Kills the server, and waits until it is given up. */
async function giveUp(directory: string): Promise<MountStatus> {
  const { serverPid } = await statusOf(directory);
  signal(serverPid, "SIGKILL");
  const isGivenUp = async (): Promise<boolean> => (await statusOf(directory)).givenUp !== null;
  await until(isGivenUp, END_MS, "the holder to give up");
  return statusOf(directory);
}

async function up(place: Place, ...args: string[]): Promise<string> {
  const directory = place.makeDirectory("files");
  place.cleanup.add(directory, () => place.refused(["down", directory], RECOVER));
  await place.kmemfs(["up", directory, "--size", "128M", ...LAST, ...args]);
  return directory;
}

async function write(directory: string, name: string): Promise<string> {
  const file = `${directory}/${name}`;
  await run("dd", ["if=/dev/urandom", `of=${file}`, "bs=1M", "count=8", "conv=fsync", "status=none"]);
  return (await run("sha256sum", [file])).stdout.slice(0, 64);
}

const isGone = (pid: number) => (): boolean => !existsSync(`/proc/${pid}`);

for (const command of someOf(["recover --up", "restart"] as const, 1)) {
  it(`${command} brings a disk of up back with what was acknowledged, as often as it is needed`, () =>
    withPlace(async (place) => {
      const directory = await up(place);
      for (const name of ["a", "b"]) {
        const sum = await write(directory, name);
        const before = await statusOf(directory);
        const { io, file, holderPid, usedBytes, givenUp, serverPid, pool, loopDevices } = await giveUp(directory);
        expect({ io, file, holderPid, givenUp, serverPid, loopDevices }).toEqual({
          io: testedIo,
          file: before.file,
          holderPid: before.holderPid,
          givenUp: REASON,
          serverPid: null,
          loopDevices: before.loopDevices,
        });
        // ext4 may have written something meanwhile, in direct mode.
        expect(usedBytes).toBeGreaterThanOrEqual(8 * 2 ** 20);
        const told = { level: LOG_ERROR, msg: `${REASON}; the mount ends, but its pool is kept` };
        expect(logOf(directory)).toContainEqual(expect.objectContaining(told));
        if (command === "restart") await place.kmemfs(["restart", directory], RECOVER);
        else {
          const { stdout } = await recover(place, "--up", directory);
          expect(stdout).toContain(`${directory}: given up because ${REASON}; process ${holderPid} keeps its pool\n`);
          // Another test may have taken the device's number meanwhile.
          const [device] = (await statusOf(directory)).loopDevices;
          expect(stdout).toContain(`mounted the ext4 on ${device} on ${directory}\n`);
        }
        const after = await statusOf(directory);
        expect(after).toMatchObject({ io, file, holderPid, givenUp: null, pool, lastDeath: REASON.slice(11) });
        expect(after.restarts).toBe(before.restarts + 1);
        expect((await run("sha256sum", [`${directory}/${name}`])).stdout.slice(0, 64)).toBe(sum);
      }
      // The disk that was brought back is one like any other.
      await write(directory, "c");
      const [device] = (await statusOf(directory)).loopDevices;
      await run("umount", [directory]);
      await run("e2fsck", ["-fn", device ?? ""]);
      await place.kmemfs(["down", directory]);
      await place.expectNothingLeft();
    }));
}

it("recover without --up clears, and says how to have it back or let it go; up names both too", () =>
  withPlace(async (place) => {
    const directory = await up(place);
    const sum = await write(directory, "a");
    const { file, holderPid } = await giveUp(directory);
    const table = (await place.kmemfs(["status", directory])).stdout;
    expect(table).toContain(`given up because ${REASON}; the pool is kept\n`);
    expect(table).toContain(`try: kmemfs recover --up ${directory}, or kmemfs down ${directory} to discard it\n`);
    const { stdout } = await recover(place, directory);
    expect(stdout).toContain(`  then, to bring it back: kmemfs recover --up ${directory}\n`);
    expect(stdout).toContain(`  then, to discard it: kmemfs down ${directory}\n`);
    expect([isMounted(directory), isMounted(file.replace(/\/disk$/, ""))]).toEqual([false, false]);
    expect((await statusOf(directory)).loopDevices).toEqual([]);
    const other = await place.refused(["up", directory]);
    expect([other.status, other.stderr]).toEqual([1, expect.stringMatching(/the pool is kept \(EBUSY\)\ntry: .*--up/)]);
    // And once more, with nothing to clear.
    expect((await recover(place, directory)).stdout).toContain(`process ${holderPid} keeps its pool\n`);
    const back = await recover(place, "--up", directory);
    expect(back.stdout).toContain("  will bring it back with its contents\n");
    expect((await run("sha256sum", [`${directory}/a`])).stdout.slice(0, 64)).toBe(sum);
    await place.kmemfs(["down", directory]);
    await place.expectNothingLeft();
  }));

for (const pool of someOf(["memfd", "tmpfs"], 1)) {
  it(`a disk of mount in a ${pool}: the file has what it had, and its counters go on`, () =>
    withDisk({ pool, size: "64M", args: LAST }, async (disk, place) => {
      await disk.io("pwrite -q -S 0x31 -b 1m 3m 8m", "fpunch 4m 1m", "fsync");
      const sum = await disk.sum();
      await run("chmod", ["640", disk.file]);
      const before = await disk.quiet();
      const given = await giveUp(disk.directory);
      expect(given.usedBytes).toBe(7 * 2 ** 20);
      // Nothing is on it: it is a directory like any other meanwhile.
      expect(isMounted(disk.directory)).toBe(false);
      await recover(place, "--up", disk.directory);
      expect(await disk.sum()).toBe(sum);
      expect((await run("stat", ["-c", "%a", disk.file])).stdout).toBe("640\n");
      const now = await disk.expectAccount();
      expect(now).toMatchObject({ usedBytes: 7 * 2 ** 20, io: before.io, holderPid: before.holderPid });
      expect(now.discardedBytesTotal).toBe(before.discardedBytesTotal);
      await disk.io("pwrite -q -S 0x32 20m 1m", "fpunch 3m 1m");
      expect((await disk.expectAccount()).usedBytes).toBe(7 * 2 ** 20);
      await disk.unmount();
      await place.expectNothingLeft();
    }));
}

for (const way of someOf(["down", "unmount", "SIGTERM"] as const, 1)) {
  it(`${way} lets it go`, () =>
    withPlace(async (place) => {
      const directory = await up(place);
      await write(directory, "a");
      const { holderPid, loopDevices } = await giveUp(directory);
      if (way === "SIGTERM") process.kill(holderPid, "SIGTERM");
      else if (way === "unmount") {
        const refused = await place.refused(["unmount", directory]);
        expect(refused.stderr).toContain(`${loopDevices[0]} is attached to its file, mounted on ${directory} (EBUSY)`);
        await recover(place, directory);
        await place.kmemfs(["unmount", directory]);
      } else await place.kmemfs(["down", directory]);
      await until(isGone(holderPid), END_MS, "the holder to end");
      expect(isMounted(directory)).toBe(false);
      expect((await recover(place, directory)).stdout).toBe(`${directory}: nothing to recover\n`);
      await place.expectNothingLeft();
      await place.kmemfs(["up", directory, "--size", "32M"]);
      await place.kmemfs(["down", directory]);
    }));
}

it("of two that bring it back at once one does", () =>
  withPlace(async (place) => {
    const directory = await up(place);
    const sum = await write(directory, "a");
    await giveUp(directory);
    const both = await Promise.all([1, 2].map(() => place.refused(["recover", "--up", directory], RECOVER)));
    const won = both.filter(({ stdout }) => stdout.includes("mounted the ext4 on"));
    expect(won).toHaveLength(1);
    const [lost] = both.filter((one) => !won.includes(one));
    // Too late to find it, or told by the one that was first.
    if (lost?.status !== 0)
      expect(lost?.stderr).toMatch(/another process (is clearing it|brought it back)|nothing to recover/);
    expect((await run("sha256sum", [`${directory}/a`])).stdout.slice(0, 64)).toBe(sum);
    expect((await statusOf(directory)).loopDevices).toHaveLength(1);
    await place.kmemfs(["down", directory]);
    await place.expectNothingLeft();
  }));

it("a writer gets an error, and one that still has the dead file open harms nothing", () =>
  withDisk({ size: "64M", args: LAST }, async (disk, place) => {
    await disk.io("pwrite -q -S 0x31 0 4m");
    const line = "exec 3<>$0; echo open; while :; do head -c 65536 /dev/zero >&3 || exit 7; sleep 0.05; done";
    const writer = start("bash", ["-c", line, disk.file], { cwd: "/" });
    place.cleanup.add("the writer", () => writer.stop());
    await writer.waitFor(/open/);
    await giveUp(disk.directory);
    if (testedIo === "served") expect(await writer.exited).toBe(7);
    await recover(place, "--up", disk.directory);
    await writer.stop();
    await disk.expectAccount();
    await disk.io("pwrite -q -S 0x33 8m 1m", "pread -q 8m 1m");
    await disk.unmount();
  }));

it("a pool with a path ends with its servers, and recover --up brings it back from its record", () =>
  withPlace(async (place) => {
    const pool = place.path("pool");
    const directory = place.makeDirectory("files");
    place.cleanup.add(directory, () => place.refused(["down", directory]));
    await place.kmemfs(["format", pool, "--size", "64M", ...(testedIo === "direct" ? ["--split"] : [])]);
    await place.kmemfs(["up", directory, "--pool", pool, ...LAST]);
    const sum = await write(directory, "a");
    const { serverPid, holderPid } = await statusOf(directory);
    signal(serverPid, "SIGKILL");
    await until(isGone(holderPid), END_MS, "the holder to end");
    await recover(place, "--up", directory);
    expect((await run("sha256sum", [`${directory}/a`])).stdout.slice(0, 64)).toBe(sum);
    await place.kmemfs(["down", directory]);
    await place.expectNothingLeft();
  }));

const users = requires({
  root: true,
  fuse: true,
  commands: ["fusermount3", "setpriv", "unshare", "nsenter"],
  files: ["/etc/passwd"],
});

users.it("a user's disk too", () =>
  withPlace(async (place) => {
    const { directory, user } = await userPlace(place);
    const kmemfs = (...args: string[]): Promise<RunResult> => user([process.execPath, kmemfsProgram, ...args]);
    const status = async (): Promise<MountStatus> =>
      (JSON.parse((await kmemfs("status", directory, "-J")).stdout) as { mounts: MountStatus[] })
        .mounts[0] as MountStatus;
    await kmemfs("mount", directory, "--size", "16M", ...LAST);
    await user(["dd", "if=/dev/urandom", `of=${directory}/disk`, "bs=1M", "count=4", "conv=notrunc", "status=none"]);
    const sum = (await user(["sha256sum", `${directory}/disk`])).stdout;
    const { serverPid, holderPid } = await status();
    signal(serverPid, "SIGKILL");
    await until(async () => (await status()).givenUp !== null, END_MS, "the holder to give up");
    expect((await user(["ls", "-A", directory])).stdout).toBe("");
    await kmemfs("recover", "--up", directory);
    expect((await user(["sha256sum", `${directory}/disk`])).stdout).toBe(sum);
    await kmemfs("unmount", directory);
    await until(isGone(holderPid), END_MS, "the holder to end");
  }),
);

longIt("a holder that is killed while it brings the disk back is followed by one that keeps it given up", () =>
  withPlace(async (place) => {
    const mount = new ManagedMount(place, ["tmpfs", "--size", "64M", ...LAST]);
    await mount.start();
    const { disk, manager } = mount;
    await disk.io("pwrite -q -S 0x31 -b 1m 1m 4m", "fsync");
    const sum = await disk.sum();
    const before = manager.messages.length;
    signal((await disk.status()).serverPid, "SIGKILL");
    await manager.waitFor("STATUS=given up; the pool is kept", END_MS, before);
    const [noteFd] = manager.stored("note");
    const note = readNote(noteFd ?? -1) ?? "";
    await recover(place, "--up", disk.directory);
    await disk.io("pwrite -q -S 0x32 8m 1m", "fpunch 8m 1m");
    await mount.killHolder();
    // As it is until the new session is noted.
    writeNote(noteFd ?? -1, note);
    await mount.start();
    expect(await disk.status()).toMatchObject({ givenUp: REASON, serverPid: null });
    expect(manager.storedNames().filter((name) => name.startsWith("channel"))).toEqual([]);
    await recover(place, "--up", disk.directory);
    expect(await disk.sum()).toBe(sum);
    await mount.end();
    await place.expectNothingLeft();
  }),
);

it("under a service manager the pool is kept through the holder's death too, and the new session is what is stored", () =>
  withPlace(async (place) => {
    const mount = new ManagedMount(place, ["tmpfs", "--size", "64M", ...LAST], { WATCHDOG_USEC: "400000" });
    await mount.start();
    const { disk, manager } = mount;
    await disk.io("pwrite -q -S 0x31 -b 1m 1m 4m", "fsync");
    const sum = await disk.sum();
    const names = manager.storedNames();
    const pings = (): number => manager.lines().filter((line) => line === "WATCHDOG=1").length;
    const givenUp = async (): Promise<void> => {
      const before = manager.messages.length;
      signal((await disk.status()).serverPid, "SIGKILL");
      await manager.waitFor("STATUS=given up; the pool is kept", END_MS, before);
      expect(manager.storedNames()).toEqual(names.filter((name) => !name.startsWith("channel")));
    };
    await givenUp();
    const seen = pings();
    await until(() => pings() > seen + 2, END_MS, "the watchdog's answers");
    // The next holder keeps it as well.
    process.kill(mount.holder.pid, "SIGKILL");
    await mount.holder.exited;
    await mount.start();
    expect(await disk.status()).toMatchObject({ givenUp: REASON, serverPid: null, holderPid: mount.holder.pid });
    await recover(place, "--up", disk.directory);
    expect(await disk.sum()).toBe(sum);
    expect(manager.storedNames()).toEqual(names);
    // What is stored is the new session: a holder that follows goes on with it.
    await mount.killAll();
    await mount.start();
    expect(await disk.sum()).toBe(sum);
    expect(await disk.status()).toMatchObject({ givenUp: null, lastDeath: "was killed along with its holder" });
    await givenUp();
    process.kill(mount.holder.pid, "SIGTERM");
    expect(await mount.holder.exited, mount.holder.stderr()).toBe(0);
    expect(manager.storedNames()).toEqual([]);
    await place.expectNothingLeft();
  }));
