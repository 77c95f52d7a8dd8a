/** Takes a disk down: first what is stacked on its file, then the mount. */
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../base/errors.js";
import { livenessOf } from "../linux/mount/liveness.js";
import { findMount, stopMount } from "../mounts/client.js";
import { removeMountRecordAt } from "../mounts/mountRecord.js";
import { quote } from "../mounts/paths.js";
import { removePrivateDirectory } from "../mounts/stateDirectory.js";
import type { MountStatus } from "../mounts/status.js";
import { makeCalls } from "./call.js";
import { clearDisk, type DiskPlace } from "./clearDisk.js";
import { otherPlaces, ownMounts, processClauses, readUse } from "./inUse.js";

const UNMOUNT_TIMEOUT_MS = 60_000;
const SERVER_MS = 5_000;
const SERVER_POLL_MS = 100;

/** Takes a served disk down; returns what was done, a line each. @throws UserError naming who holds it */
export async function takeDown(status: MountStatus, disk: DiskPlace | null): Promise<string[]> {
  await requireServer(status);
  const done = disk === null ? [] : await clear(disk, (status.givenUp ?? null) === null);
  await stopMount(status, { force: false });
  return [...done, `stopped the mount of ${status.pool.path ?? status.pool.kind}`];
}

/** Waits for a server that is just being replaced, as unmounting needs one. @throws UserError EAGAIN */
async function requireServer({ mountpoint }: MountStatus): Promise<void> {
  for (let waitedMs = 0; ; waitedMs += SERVER_POLL_MS) {
    const now = await findMount(mountpoint);
    if (now === null || now.serverPid !== null || (now.givenUp ?? null) !== null) return;
    if (waitedMs >= SERVER_MS) {
      throw new UserError(`down ${mountpoint}`, `no server is running; the last one ${now.lastDeath}`, {
        code: "EAGAIN",
        cure: `try again once one is running, or kmemfs unmount --force ${quote(mountpoint)}`,
      });
    }
    await sleep(SERVER_POLL_MS);
  }
}

/** As `takeDown` for a disk that has no holder any more; its server may still be there, or not. */
export async function takeDownDead(disk: DiskPlace): Promise<string[]> {
  const { device, fuseDirectory } = disk;
  const done = await clear(disk, false);
  const use = await readUse(device, fuseDirectory, false);
  for (const mount of ownMounts(use.namespaces).filter((entry) => entry.majorMinor === device)) {
    const call =
      (await livenessOf(mount)) === "dead"
        ? ({ act: "detach", mount, withInside: false } as const)
        : ({ act: "unmount", mount } as const);
    await makeCalls(`down ${disk.mountpoint}`, [call], { timeoutMs: UNMOUNT_TIMEOUT_MS });
  }
  removePrivateDirectory(fuseDirectory);
  removeMountRecordAt(fuseDirectory);
  return [...done, `removed the mount on ${use.main?.mountpoint ?? fuseDirectory} that had no holder`];
}

async function clear(disk: DiskPlace, isHeld: boolean): Promise<string[]> {
  const use = await readUse(disk.device, disk.fuseDirectory, isHeld);
  return clearDisk(disk, use, [...otherPlaces(use), ...processClauses(use)]);
}
