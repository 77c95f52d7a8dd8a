/**
 * One disk with a file system on it, from mkfs to the check of what is left: its
 * servers are killed, while whoever uses the file system may notice nothing.
 */

import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Disk } from "../../support/disk.js";
import type { FileSystemType, Place } from "../../support/place.js";
import { run } from "../../support/processes.js";
import { temporaryDirectory } from "../../support/project.js";
import type { Random } from "../../support/random.js";
import { FailoverDisk } from "./disk.js";
import { requireCleanFileSystem } from "./fileSystems.js";
import type { KernelLog } from "./kernelLog.js";
import { Killer } from "./killer.js";
import { kmemfs, requireClean } from "./kmemfs.js";
import { fioOn, trimOf } from "./loads.js";
import { JOURNALS, SqliteLedger } from "./sqlite.js";

/** `disk`: a file on the file system of the temporary directory, which is durable where that is a disk. */
export type PoolKind = "private tmpfs" | "file" | "directory" | "disk";

export interface SessionPlan {
  readonly fileSystem: FileSystemType;
  readonly io: "served" | "direct";
  readonly pool: PoolKind;
  /** A second server stands by. */
  readonly spare: boolean;
  readonly kills: number;
  /** A server that serves is killed within so long. */
  readonly spanMs: number;
  readonly number: number;
}

export interface SessionFigures {
  readonly kills: number;
  readonly early: number;
  readonly replaced: number;
  readonly fioRuns: number;
  readonly trims: number;
  readonly commits: number;
  readonly pausesMs: readonly number[];
}

const SIZE = "512M";

/** @throws Error with what somebody has noticed */
export async function runSession(
  place: Place,
  plan: SessionPlan,
  random: Random,
  log: KernelLog,
): Promise<SessionFigures> {
  const { fileSystem, number } = plan;
  const pool = await makePool(place, plan);
  const size = pool === undefined ? ["--size", SIZE] : [];
  const disk = await FailoverDisk.mount(place, {
    pool,
    name: `disk-${number}`,
    io: plan.io,
    spare: plan.spare,
    args: size,
  });
  const device = await place.loop(disk.file, ["--sector-size", "4096"]);
  log.forget();
  disk.rescueIn(place);
  let commitsSoFar = (): number => 0;
  const answered = (): number | null => (commitsSoFar() === 0 ? null : flushesAndDiscards(device));
  const killer = new Killer(disk, random, plan.spanMs, answered);
  const checks: (() => void)[] = [];
  // Before mkfs: whoever makes and mounts a file system notices nothing either.
  const killing = killer.kill(plan.kills, () => {
    for (const check of checks) check();
  });
  killing.catch(() => undefined);
  await place.makeFileSystem(fileSystem, device);
  const files = await place.mountFileSystem(fileSystem, device, `files-${number}`);
  const fio = fioOn(place, files, random.below(2 ** 31));
  const trim = trimOf(place, files);
  const journal = random.pick(JOURNALS);
  const ledger = new SqliteLedger(place, `${files}/notes.db`, `ledger-${number}`, journal);
  commitsSoFar = () => ledger.commits;
  checks.push(
    () => fio.check(),
    () => trim.check(),
    () => ledger.check(),
  );
  await killing;
  await Promise.all([fio.stop(), trim.stop(), ledger.stop()]);
  await requireRestarts(disk, killer);
  await place.umount(files);
  await requireCleanFileSystem(fileSystem, device);
  await run("mount", ["-t", fileSystem, device, files]);
  const commits = await ledger.verify();
  await place.umount(files);
  // A disk's file system has blocks of its own in a file's count.
  if (plan.pool !== "disk") await new Disk(place, disk.directory).expectAccount();
  log.requireQuiet([device.replace("/dev/", "")]);
  await place.detach(device);
  await kmemfs(["unmount", disk.directory]);
  if (pool !== undefined) await requireClean(pool);
  const { kills, early, replaced, pausesMs } = killer;
  return { kills, early, replaced, pausesMs, fioRuns: fio.count, trims: trim.count, commits };
}

/** @returns its path; undefined for a private one, which is made with the mount */
async function makePool(place: Place, { pool, number }: SessionPlan): Promise<string | undefined> {
  if (pool === "private tmpfs") return undefined;
  const path = pool === "disk" ? join(onDisk(place), "pool") : place.path(`pool-${number}`);
  await kmemfs(["format", path, "--size", SIZE, ...(pool === "directory" ? ["--split"] : [])]);
  return path;
}

function onDisk(place: Place): string {
  const directory = temporaryDirectory("pool");
  place.cleanup.add(directory, () => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Every kill was followed by one restart, and there was no other one. */
async function requireRestarts(disk: FailoverDisk, { kills, replaced }: Killer): Promise<void> {
  const { restarts, lastDeath, damage } = await disk.status();
  if (restarts !== kills + replaced) {
    throw new Error(`${restarts} restarts, ${kills} kills and ${replaced} replacements; the last server ${lastDeath}`);
  }
  if (damage !== null) throw new Error(`damage where there is none: ${damage}`);
}

/** What a device has done that asks the server in both I/O modes. */
function flushesAndDiscards(device: string): number {
  const fields = readFileSync(`/sys/block/${device.replace("/dev/", "")}/stat`, "utf8")
    .trim()
    .split(/\s+/);
  // Documentation/block/stat.rst: discard I/Os, flush I/Os.
  return Number(fields[11]) + Number(fields[15]);
}
