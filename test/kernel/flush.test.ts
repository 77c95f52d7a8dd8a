/**
 * Who is asked at an fsync of `disk`: its server, where another process could have taken something away,
 * and nobody where the pool is private and ends with the mount.
 */
import { readFileSync, truncateSync } from "node:fs";
import { expect } from "vitest";
import { type Disk, statusOf } from "../support/disk.js";
import { signal } from "../support/killed.js";
import { type Place, withPlace } from "../support/place.js";
import { type Background, run, start, until } from "../support/processes.js";
import { testedIo } from "../support/project.js";
import { requires } from "../support/requires.js";

const { it } = requires({ root: true, fuse: true, loop: true, commands: ["mkfs.ext4"] });

const END_MS = 60_000;
const MIB = 2 ** 20;
/** Nobody takes it for one that hangs. */
const PATIENT = ["--watchdog", "0"];
const SPLIT = testedIo === "direct" ? ["--split"] : [];

/** Writes to a file and flushes it once, and then at each SIGUSR2. */
const FLUSHER = `
const { fsyncSync, openSync, writeSync } = require("node:fs");
const fd = openSync(process.argv[1], "r+");
writeSync(fd, "x".repeat(4096));
const flush = () => { fsyncSync(fd); console.log("flushed"); };
process.on("SIGUSR2", flush);
setInterval(() => {}, 1000);
flush();
`;

const flushes = (flusher: Background): number => flusher.stdout().split("flushed").length - 1;

/** What waits in the kernel for an answer of the disk's server. */
async function waitingRequests(place: Place, { device }: { readonly device: string | null }): Promise<() => number> {
  const connections = place.makeDirectory("connections");
  await run("mount", ["-t", "fusectl", "fusectl", connections]);
  place.cleanup.add(connections, () => place.umount(connections));
  const file = `${connections}/${device?.split(":")[1]}/waiting`;
  return () => Number(readFileSync(file, "utf8"));
}

/** @returns whether a second fsync came back from a server that does nothing */
async function isFlushedWithoutServer(disk: Disk, place: Place): Promise<boolean> {
  const status = await disk.status();
  const serverPid = status.serverPid ?? 0;
  const waiting = await waitingRequests(place, status);
  const flusher = start(process.execPath, ["-e", FLUSHER, disk.file]);
  place.cleanup.add("the flusher", () => flusher.stop());
  await flusher.waitFor(/flushed/);
  place.cleanup.add("the stopped server", () => signal(serverPid, "SIGCONT"));
  signal(serverPid, "SIGSTOP");
  const isStopped = (): boolean => /^State:\tT/m.test(readFileSync(`/proc/${serverPid}/status`, "utf8"));
  await until(isStopped, END_MS, "the server to stop");
  expect(waiting()).toBe(0);
  process.kill(flusher.pid, "SIGUSR2");
  await until(() => flushes(flusher) === 2 || waiting() > 0, END_MS, "an fsync or a request");
  const isFlushed = waiting() === 0;
  signal(serverPid, "SIGCONT");
  await until(() => flushes(flusher) === 2, END_MS, "the fsync");
  return isFlushed;
}

for (const pool of ["tmpfs", "memfd"]) {
  it(`a private ${pool} is asked once`, () =>
    withPlace(async (place) => {
      const disk = await place.mount({ pool, size: "16M", args: PATIENT });
      expect((await disk.status()).pool).toMatchObject({ kind: pool, path: null });
      expect(await isFlushedWithoutServer(disk, place)).toBe(true);
    }));
}

for (const durable of [false, true]) {
  it(`a pool with a path on ${durable ? "a disk" : "a tmpfs"} is asked each time`, () =>
    withPlace(async (place) => {
      const pool = `${durable ? place.directory : await place.tmpfs("64M")}/pool`;
      await place.kmemfs(["format", pool, "--size", "16M", ...SPLIT]);
      const disk = await place.mount({ pool, args: PATIENT });
      expect((await disk.status()).pool).toMatchObject({ path: pool, durable });
      expect(await isFlushedWithoutServer(disk, place)).toBe(false);
    }));
}

/** An ext4 on a disk of `up`. @returns its directory and its mount options */
async function ext4Up(place: Place, ...args: string[]): Promise<{ directory: string; options: readonly string[] }> {
  const directory = place.makeDirectory("files");
  place.cleanup.add(directory, () => place.refused(["down", directory]));
  await place.kmemfs(["up", directory, "--fs", "ext4", ...args]);
  const line = readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .find((entry) => entry.split(" ")[1] === directory);
  return { directory, options: line?.split(" ")[3]?.split(",") ?? [] };
}

it("ext4 on a private pool sends no flushes", () =>
  withPlace(async (place) => {
    const { options } = await ext4Up(place, "--size", "32M");
    expect(options).toContain("nobarrier");
  }));

it("ext4 on a durable pool does", () =>
  withPlace(async (place) => {
    const pool = place.path("pool");
    await place.kmemfs(["format", pool, "--size", "32M", ...SPLIT]);
    const { directory, options } = await ext4Up(place, "--pool", pool);
    expect((await statusOf(directory)).pool.durable).toBe(true);
    expect(options).not.toContain("nobarrier");
  }));

it("ext4 on a pool that somebody else made shorter is told at its fsync", () =>
  withPlace(async (place) => {
    const pool = `${await place.tmpfs("192M")}/pool`;
    await place.kmemfs(["format", pool, "--size", "128M", ...SPLIT]);
    const { directory } = await ext4Up(place, "--pool", pool);
    const write = (name: string) =>
      run("dd", ["if=/dev/zero", `of=${directory}/${name}`, "bs=1M", "count=4", "conv=fsync", "status=none"], {
        allowFail: true,
      });
    expect((await write("a")).status).toBe(0);
    truncateSync(testedIo === "direct" ? `${pool}/data` : pool, 32 * MIB);
    await until(async () => (await statusOf(directory)).damage !== null, END_MS, "the damage to be seen");
    expect((await write("b")).stderr).toMatch(/Input\/output error|Read-only file system/);
  }));
