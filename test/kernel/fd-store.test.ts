/** The holder is killed under a service manager that keeps its fds: the next one takes over, and nobody notices. */
import { existsSync, mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { expect } from "vitest";
import { isGone } from "../../src/linux/proc/openedBy.js";
import { readNote, writeNote } from "../../src/linux/process/noteFile.js";
import { startLoad } from "../support/fio.js";
import { signal } from "../support/killed.js";
import { isLongForm, someOf } from "../support/longForm.js";
import { ManagedMount } from "../support/managedMount.js";
import { controlSocket, isMounted, type Place, withPlace } from "../support/place.js";
import { run, until } from "../support/processes.js";
import { testedIo } from "../support/project.js";
import { requires } from "../support/requires.js";

const { it, longIt } = requires({ root: true, fuse: true, loop: true, commands: ["fio", "mkfs.ext4"] });

const END_MS = 60_000;
const COUNTERS = ["readBytesTotal", "writtenBytesTotal", "discardedBytesTotal", "peakBytes"] as const;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function newPool(place: Place, size = "64M"): Promise<string> {
  const pool = place.path("pool");
  await place.kmemfs(["format", pool, "--size", size, ...(testedIo === "direct" ? ["--split"] : [])]);
  return pool;
}

function hasChild(pid: number): boolean {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8") !== "";
}

async function expectClean(place: Place, pool: string): Promise<void> {
  expect((await place.kmemfs(["check", pool])).stdout).toMatch(/: clean, .*no errors/);
}

for (const victims of someOf(["the holder and the server", "the holder"] as const, 1)) {
  it(`kill -9 of ${victims} under fio with verification; the pool is closed clean`, () =>
    withPlace(async (place) => {
      const pool = await newPool(place);
      const mount = new ManagedMount(place, [pool]);
      await mount.start();
      const { disk } = mount;
      const load = startLoad(place, `--filename=${disk.file}`);
      let before = await disk.status();
      expect(before.io).toBe(testedIo);
      for (let kills = 1; kills <= 3 && load.isRunning(); kills++) {
        await pause(500);
        before = await disk.status();
        if (victims === "the holder") await mount.killHolder();
        else await mount.killAll();
        await pause(kills * 100);
        await mount.start();
        const now = await disk.status();
        expect(now).toMatchObject({
          restarts: kills,
          io: testedIo,
          holderPid: mount.holder.pid,
          lastDeath: "was killed along with its holder",
        });
        expect(now.serverPid).not.toBe(before.serverPid);
        expect(isGone(before.serverPid ?? 0)).toBe(true);
        for (const name of COUNTERS) expect(now[name] ?? 0, name).toBeGreaterThanOrEqual(before[name] ?? 0);
      }
      await load.finish();
      await mount.end();
      await expectClean(place, pool);
      await place.expectNothingLeft();
    }));
}

it("a pool that no directory shows goes on with a file system on it, and SIGTERM takes all of it down", () =>
  withPlace(async (place) => {
    const mount = new ManagedMount(place, ["tmpfs", "--size", "256M"]);
    await mount.start();
    const device = await mount.disk.loop();
    await place.makeFileSystem("ext4", device);
    const files = await place.mountFileSystem("ext4", device);
    const load = startLoad(place, `--directory=${files}`);
    await pause(1_000);
    await mount.killAll();
    await pause(300);
    await mount.start();
    // The server of a session that went on may die like any other.
    const { serverPid } = await mount.disk.status();
    signal(serverPid, "SIGKILL");
    await until(async () => (await mount.disk.status()).serverPid !== null, END_MS, "the next server");
    await load.finish();
    expect(await mount.disk.status()).toMatchObject({ restarts: 2, lastDeath: "was killed by SIGKILL" });
    process.kill(mount.holder.pid, "SIGTERM");
    expect(await mount.holder.exited, mount.holder.stderr()).toBe(0);
    expect(isMounted(files)).toBe(false);
    expect(mount.manager.lines()).toContain("STOPPING=1");
    expect(mount.manager.storedNames()).toEqual([]);
    await place.expectNothingLeft();
  }));

it("the options that the session was begun with count", () =>
  withPlace(async (place) => {
    const pool = await newPool(place);
    const mount = new ManagedMount(place, [pool]);
    await mount.start();
    await mount.disk.io("pwrite -q -S 0x31 0 1m");
    const sum = await mount.disk.sum();
    await mount.killHolder();
    await mount.start(["--read-only", "--workers", "1"]);
    expect(mount.holder.stderr()).toMatch(/"differ":\["readOnly","workers"\]/);
    expect(await mount.disk.status()).toMatchObject({ readOnly: false, restarts: 1 });
    await mount.disk.io("pwrite -q -S 0x32 1m 1m");
    expect(await mount.disk.sum(0, 1 << 20)).not.toBe(sum);
    await mount.end();
    await expectClean(place, pool);
  }));

longIt("words that nobody understands do not end a session that goes on", () =>
  withPlace(async (place) => {
    const pool = await newPool(place);
    const mount = new ManagedMount(place, [pool]);
    await mount.start();
    for (const words of [["--sise", "4G"], ["--size", "much"], ["-o", "typo"], ["--workers"]]) {
      await mount.killHolder();
      await mount.start(words);
      expect(mount.holder.stderr()).toMatch(/keeps the options it was started with/);
    }
    expect(await mount.disk.status()).toMatchObject({ restarts: 4 });
    await mount.end();
    await expectClean(place, pool);
  }),
);

longIt("a session goes on without a control socket, and has one as soon as that can be", () =>
  withPlace(async (place) => {
    const pool = await newPool(place);
    const mount = new ManagedMount(place, [pool]);
    await mount.start();
    const socket = controlSocket(mount.disk.directory);
    await mount.killHolder();
    // Who looks meanwhile leaves the socket alone: somebody has its name.
    await place.kmemfs(["status"]);
    expect(existsSync(socket)).toBe(true);
    // Stands for a full or read-only /run.
    await run("rm", [socket]);
    mkdirSync(socket);
    place.cleanup.add(socket, async () => void (await run("rm", ["-rf", socket])));
    await mount.start();
    await mount.disk.io("pwrite -q -S 0x31 0 1m");
    expect(mount.holder.stderr()).toMatch(/control socket cannot be opened/);
    rmdirSync(socket);
    await until(() => existsSync(socket), END_MS, "the control socket");
    expect(await mount.disk.status()).toMatchObject({ restarts: 1 });
    await mount.end();
    await expectClean(place, pool);
  }),
);

it("what may pass ends a holder by a signal, and the next one takes over", () =>
  withPlace(async (place) => {
    const pool = await newPool(place);
    const mount = new ManagedMount(place, [pool]);
    await mount.start();
    const [noteFd] = mount.manager.stored("note");
    const note = readNote(noteFd ?? -1) ?? "";
    const names = mount.manager.storedNames();
    await mount.killHolder();
    writeNote(noteFd ?? -1, "{");
    const holder = mount.launch();
    expect(await holder.exited, holder.stderr()).toBe(137);
    expect(holder.stderr()).toMatch(/the next holder will retry/);
    expect(mount.manager.storedNames()).toEqual(names);
    writeNote(noteFd ?? -1, note);
    await mount.start();
    expect(await mount.disk.status()).toMatchObject({ restarts: 1 });
    await mount.end();
    await expectClean(place, pool);
  }));

it("another version's session is refused, and nothing of it is left", () =>
  withPlace(async (place) => {
    const pool = await newPool(place);
    const mount = new ManagedMount(place, [pool]);
    await mount.start();
    await mount.killHolder();
    writeNote(mount.manager.stored("note")[0] ?? -1, '{"version":0}');
    const holder = mount.launch();
    expect(await holder.exited, holder.stderr()).toBe(1);
    expect(holder.stderr()).toMatch(/incompatible version of kmemfs \(record version: 0\)/);
    expect(mount.manager.storedNames()).toEqual([]);
    expect(isMounted(mount.disk.directory)).toBe(false);
    await place.expectNothingLeft();
    await mount.start();
    await mount.end();
    await expectClean(place, pool);
  }));

it("under a loop device the dead mount of a session that cannot go on stays, and down takes both away", () =>
  withPlace(async (place) => {
    const pool = await newPool(place);
    const mount = new ManagedMount(place, [pool]);
    await mount.start();
    const device = await mount.disk.loop();
    await mount.killAll();
    mount.manager.remove("channel0");
    const holder = mount.launch();
    expect(await holder.exited, holder.stderr()).toBe(1);
    expect(holder.stderr()).toMatch(/already a kmemfs mount/);
    expect(mount.manager.storedNames()).toEqual([]);
    expect(isMounted(mount.disk.directory)).toBe(true);
    await place.kmemfs(["down", mount.disk.directory]);
    expect(place.isAttached(device)).toBe(false);
    expect(isMounted(mount.disk.directory)).toBe(false);
    await place.expectNothingLeft();
  }));

it("the manager is told before a disk that somebody unmounted is let go", () =>
  withPlace(async (place) => {
    const mount = new ManagedMount(place, ["tmpfs", "--size", "32M"]);
    await mount.start();
    const before = mount.manager.messages.length;
    await run("umount", [mount.disk.directory]);
    expect(await mount.holder.exited, mount.holder.stderr()).toBe(0);
    const told = mount.manager.messages.slice(before);
    expect(told[0]).toBe("STOPPING=1");
    // The note last: whoever is started in between knows what to clear up.
    expect(told.filter((message) => message.startsWith("FDSTOREREMOVE=1")).at(-1)).toMatch(/FDNAME=note$/);
    await place.expectNothingLeft();
  }));

longIt("holders that die while they go on are followed by one that does", () =>
  withPlace(async (place) => {
    const pool = await newPool(place);
    const mount = new ManagedMount(place, [pool]);
    await mount.start();
    const load = startLoad(place, `--filename=${mount.disk.file}`);
    await pause(500);
    await mount.killAll();
    for (let deaths = 0; deaths < 8; deaths++) {
      const holder = mount.launch();
      await pause(deaths * 100 + Math.random() * 100);
      process.kill(holder.pid, "SIGKILL");
      await holder.exited;
    }
    await mount.start();
    await load.finish();
    expect(mount.holder.stderr()).not.toMatch(/cannot be resumed/);
    await mount.end();
    await expectClean(place, pool);
    await place.expectNothingLeft();
  }),
);

it("SIGTERM while a holder goes on takes the disk down in order, once it can", () =>
  withPlace(async (place) => {
    const pool = await newPool(place);
    const mount = new ManagedMount(place, [pool]);
    await mount.start();
    // A loop device of mount(8), as fstab's, which takes itself away.
    await place.makeFileSystem("ext4", mount.disk.file);
    const files = place.makeDirectory("files");
    await run("mount", ["-o", "loop", mount.disk.file, files]);
    place.cleanup.add(files, () => place.umount(files));
    await run("dd", ["if=/dev/urandom", `of=${files}/a`, "bs=1M", "count=8"]);
    await mount.killAll();
    const holder = mount.launch();
    await until(() => hasChild(holder.pid), END_MS, "the holder to start a server");
    process.kill(holder.pid, "SIGTERM");
    expect(await holder.exited, holder.stderr()).toBe(0);
    expect(isMounted(files)).toBe(false);
    await expectClean(place, pool);
    await place.expectNothingLeft();
  }));

it("SIGTERM right after somebody unmounted the disk, as at a shutdown, is an end in order", () =>
  withPlace(async (place) => {
    const pool = await newPool(place);
    for (let i = 0; i < (isLongForm ? 4 : 1); i++) {
      const { disk, process: holder } = await place.mountInForeground({ pool });
      await disk.io("pwrite -q -S 0x31 0 32m");
      await run("sh", ["-c", 'umount "$0" && kill -TERM "$1" || true', disk.directory, String(holder.pid)]);
      expect(await holder.exited, holder.stderr()).toBe(0);
      await expectClean(place, pool);
    }
  }));

it("a session that was unmounted while nobody held it is closed by the next holder", () =>
  withPlace(async (place) => {
    const pool = await newPool(place);
    const mount = new ManagedMount(place, [pool]);
    await mount.start();
    await mount.disk.io("pwrite -q -S 0x31 0 8m");
    await mount.killAll();
    // One that looks at the mount before would wait for an answer.
    await run("umount", ["--internal-only", "--no-canonicalize", "--lazy", mount.disk.directory]);
    const holder = mount.launch();
    expect(await holder.exited, holder.stderr()).toBe(0);
    expect(mount.manager.storedNames()).toEqual([]);
    await expectClean(place, pool);
    await place.expectNothingLeft();
  }));

it("where not all of it was kept a new session begins", () =>
  withPlace(async (place) => {
    const pool = await newPool(place);
    const mount = new ManagedMount(place, [pool]);
    await mount.start();
    await mount.disk.io("pwrite -q -S 0x31 0 8m");
    const sum = await mount.disk.sum();
    await mount.killAll();
    mount.manager.remove("channel0");
    await mount.start();
    expect(mount.holder.stderr()).toMatch(/the last session cannot be resumed: channel0 was not kept/);
    expect(await mount.disk.status()).toMatchObject({ restarts: 0, wasUnclean: true });
    expect(await mount.disk.sum()).toBe(sum);
    await mount.end();
    await expectClean(place, pool);
  }));

it("the manager's watchdog is answered, and a restart is a reload", () =>
  withPlace(async (place) => {
    const mount = new ManagedMount(place, ["tmpfs", "--size", "32M"], { WATCHDOG_USEC: "400000" });
    await mount.start();
    const pings = (): number => mount.manager.lines().filter((line) => line === "WATCHDOG=1").length;
    await until(() => pings() >= 3, END_MS, "the watchdog's answers");
    expect(mount.manager.lines()).toContain(`MAINPID=${mount.holder.pid}`);
    const before = mount.manager.messages.length;
    await place.kmemfs(["restart", mount.disk.directory]);
    const told = mount.manager.messages.slice(before).filter((message) => !/^(WATCHDOG|STATUS)=/.test(message));
    expect(told).toEqual(["RELOADING=1", "READY=1"]);
    await mount.manager.waitFor(/^STATUS=(served|direct), server \d+, 1 restarts$/, END_MS, before);
    await mount.end();
  }));
