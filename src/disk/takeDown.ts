/** Takes a disk down: first what is stacked on its file, then the mount. */
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../base/errors.js";
import { livenessOf } from "../linux/mount/liveness.js";
import type { LoopNodes } from "../linux/proc/loopDevices.js";
import type { MountEntry } from "../linux/proc/mounts.js";
import { readNamespaces } from "../linux/proc/namespaces.js";
import { findMount, stopMount } from "../mounts/client.js";
import { idOf } from "../mounts/mountRecord.js";
import { quote } from "../mounts/paths.js";
import type { MountStatus } from "../mounts/status.js";
import { clearDisk } from "./clearDisk.js";
import {
  type DiskPlace,
  otherPlaces,
  ownMounts,
  processClauses,
  readPlaces,
  readUse,
  type SessionUse,
  useOf,
} from "./inUse.js";
import { forgetDisk, type Manner, stepsOf } from "./steps.js";

const SERVER_MS = 5_000;
const SERVER_POLL_MS = 100;

/** Takes a served disk down; returns what was done, a line each. @throws UserError naming who holds it */
export async function takeDown(status: MountStatus): Promise<string[]> {
  await requireServer(status);
  const done = await clear(status.mountpoint, await useOf(status));
  await stopMount(status, { force: false });
  return [...done, `stopped the mount of ${status.pool.path ?? status.pool.kind}`];
}

/** Waits for a server that is just being replaced, as unmounting needs one. @throws UserError EAGAIN */
async function requireServer(status: MountStatus): Promise<void> {
  const { mountpoint } = status;
  let now: MountStatus | null = status;
  for (let waitedMs = 0; ; waitedMs += SERVER_POLL_MS) {
    if (now === null || now.serverPid !== null || (now.givenUp ?? null) !== null) return;
    if (waitedMs >= SERVER_MS) {
      throw new UserError(`down ${mountpoint}`, `no server is running; the last one ${now.lastDeath}`, {
        code: "EAGAIN",
        cure: `try again once one is running, or kmemfs unmount --force ${quote(mountpoint)}`,
      });
    }
    await sleep(SERVER_POLL_MS);
    now = await findMount(mountpoint);
  }
}

/** As `takeDown` for a disk that has no holder any more; its server may still be there, or not. */
export async function takeDownDead(disk: DiskPlace): Promise<string[]> {
  const { mountpoint, device, fuseDirectory } = disk;
  const what = `down ${mountpoint}`;
  const done = await clear(mountpoint, await readUse(disk, false));
  const { main, namespaces } = readPlaces(device, fuseDirectory);
  for (const mount of ownMounts(namespaces).filter((entry) => entry.majorMinor === device)) {
    await endMount(mount, { kind: (await livenessOf(mount)) === "dead" ? "at once" : "in order", what });
  }
  return [...done, `removed the mount on ${main?.mountpoint ?? fuseDirectory} that had no holder`];
}

/**
 * Takes a mount away that no holder answers for. The files of its disk go with the last of it: until then they tell
 * whose the rest is.
 * @param loops on its file, that stay
 */
export async function endMount(mount: MountEntry, manner: Manner, loops: readonly LoopNodes[] = []): Promise<void> {
  const id = idOf(mount);
  for (const step of stepsOf({ dead: [mount] }, manner)) await step.act();
  const isOfIt = ({ majorMinor }: MountEntry): boolean => majorMinor === mount.majorMinor;
  if (loops.length > 0 || readNamespaces().some(({ mounts }) => mounts.some(isOfIt))) return;
  try {
    forgetDisk(id);
  } catch {
    // A full or read-only /run: `kmemfs recover` removes them.
  }
}

function clear(mountpoint: string, use: SessionUse): Promise<string[]> {
  return clearDisk(mountpoint, use, [...otherPlaces(use), ...processClauses(use)]);
}
