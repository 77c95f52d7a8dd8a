/** Mounts whose session has ended but that still exist: every access to one is ENOTCONN. */
import { UserError } from "../../base/errors.js";
import type { MountEntry } from "../proc/mounts.js";
import { run } from "../process/command.js";
import { type MountHandle, openExactly } from "./mountHandle.js";

/** A child process accesses the mount and gets this long: a hanging server would block this process too. */
const LOOK_TIMEOUT_MS = 3_000;

/** `silent`: it did not answer in time but may be alive. `unseen`: this user cannot tell. */
export type Liveness = "alive" | "dead" | "silent" | "unseen";

/**
 * Asks the file system of `entry`, which must be where its path leads; returns after 3 s at the latest.
 * The child gets the mount by an fd: its path may lead elsewhere by then.
 */
export function livenessOf(entry: MountEntry): Promise<Liveness> {
  let handle: MountHandle;
  try {
    handle = openExactly(entry.mountpoint, entry);
  } catch {
    return Promise.resolve("unseen");
  }
  return ask(handle.fd, ownerOf(entry)).finally(() => handle.close());
}

async function ask(fd: number, user: ReturnType<typeof ownerOf>): Promise<Liveness> {
  const look = ["-L", "-c", "%i", "/proc/self/fd/3"];
  try {
    // A child that hangs in the kernel cannot be killed and is left behind.
    const { exitCode, stderr } = await run("stat", look, {
      timeoutMs: LOOK_TIMEOUT_MS,
      graceMs: 0,
      inheritedFd: fd,
      user,
    });
    if (exitCode === 0) return "alive";
    return /not connected/.test(stderr) ? "dead" : "unseen";
  } catch (error) {
    return error instanceof UserError && error.options.code === "ETIMEDOUT" ? "silent" : "unseen";
  }
}

/** The user id in a FUSE mount's options; null if there is none. */
export function fuseOwner(options: string): number | null {
  const match = /(?:^|,)user_id=(\d+)(?:,|$)/.exec(options);
  return match === null ? null : Number(match[1]);
}

/**
 * Whom root must be to look at a FUSE mount or to unmount it; null for oneself.
 * Without allow_other the kernel answers nobody but the mount's owner, not even
 * root. And the owner may make another path of the mount's at any moment: as the
 * owner one unmounts nothing that is not the owner's.
 */
export function ownerOf({ options }: MountEntry): { uid: number; gid: number } | null {
  const uid = fuseOwner(options);
  const gid = /(?:^|,)group_id=(\d+)(?:,|$)/.exec(options)?.[1];
  if (process.geteuid?.() !== 0 || uid === null || uid === 0 || gid === undefined) return null;
  return { uid, gid: Number(gid) };
}
