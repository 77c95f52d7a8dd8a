/**
 * Removes what is stacked on a disk's file, in the safe order: file systems, then loop
 * devices. Users are found before anything changes; if an unmount still fails, what was
 * unmounted before is mounted again.
 */
import { UserError } from "../base/errors.js";
import type { MountEntry } from "../linux/proc/mounts.js";
import { usersOfMount } from "../linux/proc/mountUsers.js";
import type { ProgressBytes } from "../linux/process/blockingLimit.js";
import { quote } from "../mounts/paths.js";
import { type AwaitedSession, type CallOptions, canStart, makeCalls, tryCalls } from "./call.js";
import { mountFileSystem } from "./fileSystems.js";
import {
  fileSystemsElsewhere,
  hiddenClauses,
  livingInside,
  otherPlaces,
  readUse,
  type SessionUse,
  stackClauses,
} from "./inUse.js";
import type { Call } from "./kernelCalls.js";
import { detachLoop } from "./loop.js";
import { allOrNothing, type Rollback } from "./rollback.js";
import { busy, describeUsers } from "./users.js";

/** A machine that shuts down waits about 90 s for us (systemd.service(5), TimeoutStopSec). */
const FLUSH_TIMEOUT_MS = 60_000;
/** Unmounting writes dirty data back, perhaps to a slow disk. */
const UNMOUNT_TIMEOUT_MS = 300_000;
const DETACH_TIMEOUT_MS = 30_000;

/** A disk by its name and its session, with or without a server. */
export interface DiskPlace {
  readonly mountpoint: string;
  /** `MAJ:MIN` of the FUSE mount. */
  readonly device: string;
  /** Where that was mounted. */
  readonly fuseDirectory: string;
}

function cureFor({ mountpoint }: DiskPlace): string {
  return `stop or move these, then kmemfs down ${quote(mountpoint)}`;
}

/**
 * Takes file systems and loop devices away.
 * @param others clauses that stand against it and are not of the stack on the file
 * @param waitsFor as in `CallOptions`
 * @returns what was done, a line each
 * @throws UserError naming who holds the disk; nothing was changed then
 */
export async function clearDisk(
  disk: DiskPlace,
  use: SessionUse,
  others: readonly string[],
  waitsFor?: AwaitedSession,
): Promise<string[]> {
  const what = `down ${disk.mountpoint}`;
  const { loops, fileSystems } = use;
  if (loops.length > 0 && process.geteuid?.() !== 0) {
    throw new UserError(what, `only root can detach ${loops.map((loop) => loop.path).join(", ")}`, {
      code: "EPERM",
      cure: `sudo kmemfs down ${quote(disk.mountpoint)}`,
    });
  }
  const clauses = [...others, ...stackClauses(use)];
  if (clauses.length > 0) throw busy(what, clauses, cureFor(disk));
  const done: string[] = [];
  await allOrNothing(async (undo) => {
    for (const mount of fileSystems) {
      await unmountInOrder(what, disk, mount, undo, waitsFor);
      done.push(`unmounted ${mount.mountpoint}`);
    }
    for (const loop of loops) {
      await detachLoop(what, loop, waitsFor);
      done.push(`detached ${loop.path}`);
    }
  });
  return done;
}

/** A frozen file system is thawed first: it cannot be thawed later, and its waiters would wait forever. */
async function unmountInOrder(
  what: string,
  disk: DiskPlace,
  mount: MountEntry,
  undo: Rollback,
  waitsFor?: AwaitedSession,
): Promise<void> {
  const calls: Call[] = [
    { act: "thaw", mount },
    { act: "unmount", mount },
  ];
  try {
    await makeCalls(what, calls, { timeoutMs: UNMOUNT_TIMEOUT_MS, waitsFor });
  } catch (error) {
    const users = usersOfMount(mount.majorMinor);
    if (users.length === 0) throw error;
    throw busy(what, [`${mount.mountpoint} is in use by ${describeUsers(users)}`], cureFor(disk));
  }
  undo.push(`mount ${mount.mountpoint} again`, () => {
    if (mount.root !== "/") throw new Error("bind mounts and subvolumes are not mounted again");
    return mountFileSystem(mount.fsType, mount.source, mount.mountpoint, [mount.options]);
  });
}

/** What became of an end that does not wait for users. */
export interface Cleared {
  /** Why it was refused, one clause each; then nothing was changed. */
  readonly refused: readonly string[];
  /** What had to be forced, a line each. */
  readonly forced: readonly string[];
}

/**
 * As `clearDisk`, for an end that users cannot put off: what they are in is detached lazily, and
 * they get errors when the mount ends. It is refused where that would end what is not ours: what
 * is mounted over the disk or inside, and other places of it; and where it would lose what was
 * written: of a file system that is hidden. What is dirty is written out then.
 * @param progress as in `AwaitedSession`
 */
export async function clearDiskByForce(disk: DiskPlace, isServed: boolean, progress?: ProgressBytes): Promise<Cleared> {
  const use = await readUse(disk.device, disk.fuseDirectory, isServed);
  const what = `stop ${disk.mountpoint}`;
  const waitsFor = { device: disk.device, progress };
  const refused = [...otherPlaces(use), ...hiddenClauses(use), ...livingInside(use), ...fileSystemsElsewhere(use)];
  if (refused.length > 0) {
    // One at a time, as a hidden one fails. A frozen file system was written back when it froze, and stays frozen.
    const sync = (mount: MountEntry): Call => ({ act: "sync", mount });
    const limits = { timeoutMs: FLUSH_TIMEOUT_MS };
    // In this process it could take forever; the kernel will write it back.
    if (!canStart()) return { refused, forced: [] };
    await Promise.all(use.fileSystems.map((mount) => tryEach(what, [sync(mount)], limits)));
    return { refused, forced: [] };
  }
  try {
    await clearDisk(disk, use, [], waitsFor);
    return { refused: [], forced: [] };
  } catch (error) {
    const why = `by force, because ${error instanceof Error ? error.message : String(error)}`;
    return { refused: [], forced: [why, ...(await force(what, use, waitsFor))] };
  }
}

/** @returns what was done, and what could not be; a line each */
async function force(what: string, { fileSystems, loops }: SessionUse, waitsFor: AwaitedSession): Promise<string[]> {
  const limits = { timeoutMs: DETACH_TIMEOUT_MS, waitsFor };
  const lines: string[] = [];
  for (const mount of fileSystems) {
    // What is written is kept: the server still serves.
    const flush: Call[] = [
      { act: "thaw", mount },
      { act: "sync", mount },
    ];
    lines.push(...(await tryEach(what, flush, { ...limits, timeoutMs: FLUSH_TIMEOUT_MS })));
    // All that is mounted inside goes too, and what is shared goes everywhere: of a /dev bound with
    // `--rbind`, the machine's /dev/pts. So it is made private first.
    const detach: Call[] = [
      { act: "private", mount, withInside: true },
      { act: "detach", mount, withInside: true },
    ];
    const wrong = await tryEach(what, detach, limits);
    lines.push(...(wrong.length === 0 ? [`detached ${mount.mountpoint}`] : wrong));
  }
  // A device that is still open goes away with its last user.
  for (const { path, diskSeq } of loops) {
    lines.push(...(await tryEach(what, [{ act: "loop-detach", path, diskSeq }], limits)));
  }
  return lines;
}

/** Makes all calls even if some fail. @returns what went wrong, if anything */
async function tryEach(what: string, calls: readonly Call[], limits: CallOptions): Promise<string[]> {
  try {
    const outcomes = await tryCalls(what, calls, limits);
    return outcomes.flatMap((outcome) =>
      "error" in outcome ? [`${outcome.error.what}: ${outcome.error.reason}`] : [],
    );
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
}
