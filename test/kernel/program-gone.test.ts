/** The program's files are removed while a disk is up: it works on, and what cannot be started is waited for. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { expect } from "vitest";
import { lockedBytesNeeded } from "../../src/daemon/session/exchange.js";
import { processState } from "../../src/linux/proc/taskState.js";
import type { MountStatus } from "../../src/mounts/status.js";
import { Disk } from "../support/disk.js";
import { startLoad } from "../support/fio.js";
import { signal } from "../support/killed.js";
import { logOf } from "../support/log.js";
import { someOf } from "../support/longForm.js";
import { isMounted, type Place, withPlace } from "../support/place.js";
import { run, start, until } from "../support/processes.js";
import { ProgramCopy } from "../support/programCopy.js";
import { testedIo } from "../support/project.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, loop: true, commands: ["fio", "mkfs.ext4", "e2fsck"] });

const END_MS = 60_000;
/** Its limit, and what a server that hangs gets to close the pool. */
const FORCED_MS = 120_000;

interface UpDisk {
  readonly directory: string;
  readonly program: ProgramCopy;
  status(): Promise<MountStatus>;
}

async function upFromCopy(place: Place, ...args: string[]): Promise<UpDisk> {
  const program = new ProgramCopy(place.path("program"));
  const holder = `${program.directory}/dist/holder.code.cjs`;
  const parts = readFileSync(holder, "utf8").split("45e3");
  // The limit of what nobody can wait for (HERE_MS): nothing is gained by all of it.
  expect(parts).toHaveLength(2);
  writeFileSync(holder, parts.join("3e3"));
  const directory = place.makeDirectory("files");
  place.cleanup.add(directory, () => place.refused(["down", directory]));
  await program.kmemfs(["up", directory, "--size", "128M", ...args]);
  const status = async (): Promise<MountStatus> =>
    (JSON.parse((await place.kmemfs(["status", directory, "-J"])).stdout) as { mounts: MountStatus[] })
      .mounts[0] as MountStatus;
  await untilServed({ status });
  return { directory, program, status };
}

function childrenOf(pid: number): Promise<string[]> {
  return run("ps", ["-o", "pid=", "--ppid", String(pid)], { allowFail: true }).then(({ stdout }) =>
    stdout.split("\n").filter((line) => line.trim() !== ""),
  );
}

/** A server has loaded all of its program when it has its buffers, which are locked. */
async function untilLoaded(pid: number): Promise<void> {
  const isLoaded = (): boolean => (processState(pid)?.lockedBytes ?? 0) >= lockedBytesNeeded(1);
  await until(isLoaded, END_MS, `process ${pid} to be loaded`);
}

async function untilSpare({ status }: UpDisk): Promise<void> {
  const { holderPid, serverPid } = await status();
  const spare = async (): Promise<number | undefined> =>
    (await childrenOf(holderPid)).map(Number).find((pid) => pid !== serverPid);
  await until(async () => (await spare()) !== undefined, END_MS, "a spare");
  await untilLoaded((await spare()) ?? 0);
}

async function untilServed(disk: Pick<UpDisk, "status">): Promise<void> {
  const { serverPid } = await disk.status();
  await untilLoaded(serverPid ?? 0);
}

async function killServer({ status }: UpDisk): Promise<number> {
  const { serverPid } = await status();
  signal(serverPid, "SIGKILL");
  return serverPid ?? 0;
}

async function nextServer({ status }: UpDisk, pid: number): Promise<void> {
  const isNext = async (): Promise<boolean> => ![null, pid].includes((await status()).serverPid);
  await until(isNext, END_MS, "the next server");
}

it("the spare serves without them, the disk waits for them after that, and goes on when they are back", () =>
  withPlace(async (place) => {
    const disk = await upFromCopy(place);
    await untilSpare(disk);
    disk.program.remove();
    const load = startLoad(place, `--directory=${disk.directory}`, "--numjobs=1");
    await nextServer(disk, await killServer(disk));
    const restart = await place.refused(["restart", disk.directory]);
    const gone = `the program is missing: ${disk.program.directory}/dist/server.cjs`;
    expect([restart.status, restart.stderr]).toEqual([
      1,
      `kmemfs: restart: ${gone} (ENOENT)\ntry: reinstall kmemfs there\n`,
    ]);
    expect(await disk.status()).toMatchObject({ restarts: 1, lastDeath: "was killed by SIGKILL" });
    // What it wrote is read back through the server that was the spare.
    await run("dd", ["if=/dev/urandom", `of=${disk.directory}/a`, "bs=1M", "count=4", "conv=fsync", "status=none"]);
    await killServer(disk);
    const waits = async (): Promise<boolean> => (await disk.status()).lastDeath?.includes(gone) === true;
    await until(waits, END_MS, "the holder to wait");
    const { serverPid, restarts } = await disk.status();
    expect([serverPid, restarts]).toEqual([null, 2]);
    expect(logOf(disk.directory).map(({ msg }) => msg)).toContain(
      `no server can be started: ${gone}; requests wait until one can`,
    );
    // Longer than five starts that fail would take.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    disk.program.putBack();
    await nextServer(disk, 0);
    await load.finish();
    await run("umount", [disk.directory]);
    await run("e2fsck", ["-fn", (await disk.status()).loopDevices[0] ?? ""]);
  }));

it("without one of its packages nothing can be started either; no such try counts, and it is named", () =>
  withPlace(async (place) => {
    const disk = await upFromCopy(place, "--no-spare", "--restarts", "3");
    disk.program.remove("node_modules");
    const load = startLoad(place, `--directory=${disk.directory}`, "--numjobs=1");
    await killServer(disk);
    const gone = `; the program is missing: ${disk.program.directory}/node_modules/koffi/`;
    const waits = async (): Promise<boolean> => (await disk.status()).lastDeath?.includes(gone) === true;
    await until(waits, END_MS, "the holder to wait");
    disk.program.putBack("node_modules");
    await nextServer(disk, 0);
    await load.finish();
    expect(await disk.status()).toMatchObject({ restarts: 1 });
    await untilServed(disk);

    // There, but not whole: tried again and again, and none of that is a death of a server.
    const part = "dist/server.cjs";
    disk.program.halve(part);
    const again = startLoad(place, `--directory=${disk.directory}`, "--numjobs=1");
    await killServer(disk);
    const words = /^was killed by SIGKILL; the program cannot be loaded: .*server.cjs$/;
    const isTold = async (): Promise<boolean> => words.test((await disk.status()).lastDeath ?? "");
    await until(isTold, END_MS, `a death that ${words}`);
    disk.program.putBack(part);
    await nextServer(disk, 0);
    await again.finish();
    await untilServed(disk);
    expect((await disk.status()).restarts).toBe(2);
  }));

for (const part of ["node_modules", "dist/call.code.cjs"]) {
  it(`SIGTERM ends a disk in order when its ${part} is gone`, () =>
    withPlace(async (place) => {
      const disk = await upFromCopy(place, "--no-spare");
      const { holderPid, loopDevices } = await disk.status();
      disk.program.remove(part);
      process.kill(holderPid, "SIGTERM");
      await until(() => !existsSync(`/proc/${holderPid}`), END_MS, "the holder to end");
      expect(isMounted(disk.directory)).toBe(false);
      const [loop = ""] = loopDevices;
      const { stdout } = await run("losetup", ["-n", "-O", "BACK-FILE", loop], { allowFail: true });
      expect(stdout).not.toContain(disk.directory);
      expect(logOf(disk.directory).filter(({ msg }) => msg.includes("by force"))).toEqual([]);
    }));
}

it("a server whose threads cannot be started serves alone", () =>
  withPlace(async (place) => {
    const disk = await upFromCopy(place, "--no-spare", "--io", "served");
    disk.program.halve("dist/thread.cjs");
    await nextServer(disk, await killServer(disk));
    const load = startLoad(place, `--directory=${disk.directory}`, "--numjobs=4");
    const alone = "only one thread serves, as no other could be started: ";
    const isTold = (): boolean => logOf(disk.directory).some(({ msg }) => msg.includes(alone));
    await until(isTold, END_MS, "the log to tell it");
    await load.finish();
    expect(await disk.status()).toMatchObject({ restarts: 1 });
  }));

it("without them a disk ends in order, and where nobody can close the pool it is left as in use", () =>
  withPlace(async (place) => {
    const program = new ProgramCopy(place.path("program"));
    const pool = place.path("pool");
    await place.kmemfs(["format", pool, "--size", "32M", ...(testedIo === "direct" ? ["--split"] : [])]);
    for (const end of someOf(["unmount while it waits", "SIGTERM", "unmount"] as const, 1)) {
      const directory = place.makeDirectory("disk");
      place.endsWithUs(directory);
      await program.kmemfs(["mount", pool, directory, "--no-spare"]);
      const disk = new Disk(place, directory);
      await disk.io("pwrite -q -S 0x31 1m 4m");
      const sum = await disk.sum();
      await untilServed(disk);
      const { holderPid, serverPid } = await disk.status();
      program.remove();
      if (end === "unmount while it waits") {
        signal(serverPid, "SIGKILL");
        const waits = async (): Promise<boolean> => (await disk.status()).lastDeath?.includes("is missing: ") === true;
        await until(waits, END_MS, "the holder to wait");
      }
      if (end === "SIGTERM") process.kill(holderPid, "SIGTERM");
      else await disk.unmount();
      await until(() => !existsSync(`/proc/${holderPid}`), END_MS, "the holder to end");
      program.putBack();
      const { stdout } = await place.kmemfs(["check", pool]);
      const state = end === "unmount while it waits" ? /: (dirty|direct), .*no errors/ : /: clean, .*no errors/;
      expect(stdout).toMatch(state);
      const again = await place.mount({ pool });
      expect(await again.sum()).toBe(sum);
      await again.unmount();
    }
  }));

it("SIGTERM ends a disk within a limit when its server hangs, and no process can be started to wait for it", () =>
  withPlace(async (place) => {
    const disk = await upFromCopy(place, "--no-spare");
    const { holderPid, serverPid } = await disk.status();
    disk.program.remove();
    await run("dd", ["if=/dev/zero", `of=${disk.directory}/dirty`, "bs=1M", "count=8", "status=none"]);
    signal(serverPid, "SIGSTOP");
    place.cleanup.add("the stopped server", () => {
      if (existsSync(`/proc/${serverPid}`)) signal(serverPid, "SIGKILL");
    });
    process.kill(holderPid, "SIGTERM");
    await until(() => !existsSync(`/proc/${holderPid}`), FORCED_MS, "the holder to end");
    expect(isMounted(disk.directory)).toBe(false);
    await place.expectNothingLeft();
  }));

for (const way of someOf(["unmount --force", "SIGTERM"] as const, 1)) {
  it(`${way} ends a disk that waits for its program`, () =>
    withPlace(async (place) => {
      const disk = await upFromCopy(place, "--no-spare");
      const { holderPid } = await disk.status();
      disk.program.remove();
      await killServer(disk);
      const waits = async (): Promise<boolean> => (await disk.status()).lastDeath?.includes("is missing: ") === true;
      await until(waits, END_MS, "the holder to wait");
      const load = start("dd", ["if=/dev/zero", `of=${disk.directory}/b`, "bs=64k", "count=64", "conv=fsync"]);
      place.cleanup.add("dd", () => load.stop());
      let left: string[] = [];
      if (way === "SIGTERM") process.kill(holderPid, "SIGTERM");
      else left = (await place.kmemfs(["unmount", "--force", disk.directory])).stdout.trimEnd().split("\n");
      await until(() => !existsSync(`/proc/${holderPid}`), END_MS, "the holder to end");
      await load.exited;
      // What is said to be left to do.
      for (const line of left) await run("sh", ["-c", line.replace("still to do: ", "")]);
      expect(isMounted(disk.directory)).toBe(false);
      await place.expectNothingLeft();
    }));
}
