/** `kmemfs status [MOUNTPOINT] [-J] [-b]`. */

import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { UserError } from "../base/errors.js";
import { findDisk } from "../disk/findDisk.js";
import { backingPath, PATHLESS } from "../disk/loopFiles.js";
import { readLoopNodes } from "../linux/proc/loopDevices.js";
import { mountOn, readMounts } from "../linux/proc/mounts.js";
import { readNamespaces } from "../linux/proc/namespaces.js";
import { askMounts, byMountpoint } from "../mounts/client.js";
import { readMountRecords } from "../mounts/mountRecord.js";
import { absolutePath, KMEMFS_TYPES, quote } from "../mounts/paths.js";
import type { MountStatus, SilentMount } from "../mounts/status.js";
import { findOrphans, type Orphan } from "../recover/orphans.js";
import { type Column, formatTable, printErrorLine, printFailure, printLine } from "./print.js";
import { describeOrphan } from "./recoverOrphans.js";
import { formatBytes } from "./sizes.js";
import type { Outcome } from "./usage.js";

interface StatusFlags {
  json?: boolean;
  bytes?: boolean;
}

/** A busy holder answers within this time. */
const GRACE_MS = 500;

const COLUMNS: readonly Column[] = [
  { title: "MOUNTPOINT" },
  { title: "IO" },
  { title: "SIZE", right: true },
  { title: "USED", right: true },
  { title: "FREE", right: true },
  { title: "METADATA", right: true },
  { title: "LIMBO", right: true },
  { title: "PEAK", right: true },
  { title: "OWN", right: true },
  { title: "POOL" },
  { title: "LOOP" },
];

/** The lines of the table, the titles first. */
export function statusTable(mounts: readonly MountStatus[], inBytes: boolean): string[] {
  const size = inBytes ? String : formatBytes;
  const rows = mounts.map((mount) => [
    mount.mountpoint,
    mount.io,
    size(mount.sizeBytes),
    size(mount.usedBytes),
    size(mount.freeBytes),
    size(mount.metadataBytes),
    size(mount.limboBytes),
    size(mount.peakBytes),
    // A holder of an older version does not say.
    mount.ownBytes === undefined ? "-" : size(mount.ownBytes),
    mount.pool.path ?? mount.pool.kind,
    mount.loopDevices.length === 0 ? "-" : mount.loopDevices.join(","),
  ]);
  return formatTable(COLUMNS, rows);
}

function times(count: number): string {
  return count === 1 ? "once" : `${count} times`;
}

/** What the table has no column for and a person asks next. */
export function statusNotes(mount: MountStatus): string[] {
  const notes: string[] = [];
  // A holder of an older version does not say.
  const node = mount.pool.numaNode ?? null;
  if (node !== null) notes.push(`memory on NUMA node ${node}`);
  if (mount.ioReason !== null) notes.push(`not direct: ${mount.ioReason}`);
  if (mount.damage !== null) {
    notes.push(`damaged, and now read-only: ${mount.damage}`);
    if (mount.pool.path !== null) notes.push(`try: kmemfs unmount, then kmemfs check ${mount.pool.path}`);
  } else if (mount.readOnly) notes.push("read-only");
  if (mount.atomicWrites) notes.push("atomic writes");
  // A holder of an older version does not say.
  const givenUp = mount.givenUp ?? null;
  if (givenUp !== null) {
    const place = quote(mount.mountpoint);
    notes.push(`given up because ${givenUp}; the pool is kept`);
    notes.push(`try: kmemfs recover --up ${place}, or kmemfs down ${place} to discard it`);
  } else if (mount.serverPid === null) notes.push("no server is running");
  if (mount.restarts > 0)
    notes.push(`the server was restarted ${times(mount.restarts)}; the last one ${mount.lastDeath}`);
  if (mount.refused.length > 0) notes.push(`not available here: ${mount.refused.join("; ")}`);
  return notes;
}

function notFound(path: string): UserError {
  const what = `status ${path}`;
  if (!KMEMFS_TYPES.has(mountOn(path, readMounts())?.fsType ?? "")) {
    return new UserError(what, "not a kmemfs mount", { cure: "kmemfs status" });
  }
  return new UserError(what, "it no longer has a server, or it belongs to another user", {
    code: "ENOTCONN",
    cure: `kmemfs down ${quote(path)}`,
  });
}

/** Memory of disks that are gone; not looked for where no loop device has lost its path. */
async function orphansOfAll(): Promise<readonly Orphan[]> {
  const loops = readLoopNodes().filter((loop) => backingPath(loop) === PATHLESS);
  if (loops.length === 0) return [];

  return findOrphans(readNamespaces(), readMountRecords(), loops, false);
}

function orphanFields({ mountpoint, loop, heldBytes, sizeBytes }: Orphan) {
  return { mountpoint, loopDevice: loop.path, heldBytes, sizeBytes };
}

/** What is known of the mounts that were asked for, as it comes. */
class Answers {
  readonly mounts: MountStatus[] = [];
  readonly silent: SilentMount[] = [];
  private readonly failures: unknown[] = [];
  private isShown = false;

  constructor(private readonly inBytes: boolean) {}

  add(mount: MountStatus | null): void {
    if (mount === null) return;
    this.mounts.push(mount);
    if (this.isShown) printLine(statusTable(this.mounts, this.inBytes).at(-1));
  }

  /** @throws what is no matter of silence */
  fail(error: unknown): void {
    const { silent } = error as { readonly silent?: SilentMount };
    if (silent === undefined) throw error;
    this.silent.push(silent);
    if (this.isShown) printFailure(error, false);
    else this.failures.push(error);
  }

  /** What is there by now; what comes later is shown when it comes. */
  show(sort: (a: MountStatus, b: MountStatus) => number): void {
    this.mounts.sort(sort);
    if (this.mounts.length > 0 || this.failures.length === 0) {
      for (const line of statusTable(this.mounts, this.inBytes)) printLine(line);
    }
    this.showFailures();
    this.isShown = true;
  }

  showFailures(): void {
    for (const error of this.failures.splice(0)) printFailure(error, false);
  }
}

async function status(mountpoint: string | undefined, flags: StatusFlags, outcome: Outcome): Promise<void> {
  const answers = new Answers(flags.bytes ?? false);
  const asked = (mountpoint === undefined ? askMounts() : [diskOn(mountpoint)]).map((answer) =>
    answer.then(
      (mount) => answers.add(mount),
      (error) => answers.fail(error),
    ),
  );
  const all = Promise.all(asked);
  const orphans = mountpoint === undefined ? await orphansOfAll() : [];
  if (flags.json) {
    await all;
    const { mounts, silent } = answers;
    mounts.sort(byMountpoint);
    printLine(JSON.stringify({ mounts, silent, orphans: orphans.map(orphanFields) }, null, 2));
    answers.showFailures();
  } else {
    // A mount that may never answer must not delay the others.
    const wait = new AbortController();
    const grace = mountpoint === undefined ? [sleep(GRACE_MS, undefined, { signal: wait.signal })] : [];
    await Promise.race([all, ...grace]).finally(() => wait.abort());
    answers.show(byMountpoint);
    for (const orphan of orphans) {
      printErrorLine(`kmemfs: warning: ${describeOrphan(orphan)}`);
      printErrorLine("try: kmemfs recover");
    }
    await all;
    const [only] = answers.mounts;
    if (mountpoint !== undefined && only !== undefined) for (const note of statusNotes(only)) printLine(note);
  }
  if (answers.silent.length > 0) outcome.exitCode = 1;
}

async function diskOn(mountpoint: string): Promise<MountStatus> {
  const found = await findDisk(mountpoint);
  if (found === null) throw notFound(absolutePath(mountpoint, process.cwd()));
  return found;
}

export function defineStatus(command: Command, outcome: Outcome): void {
  command
    .description(
      "Shows all mounts, or the one on MOUNTPOINT: how much the file holds and how much memory the pool uses.",
    )
    .argument("[mountpoint]", "where the disk is mounted; without it, all mounts are shown")
    .option("-J, --json", "print all figures as JSON, in bytes")
    .option("-b, --bytes", "print bytes instead of units")
    .action((mountpoint: string | undefined, flags: StatusFlags) => status(mountpoint, flags, outcome));
}
