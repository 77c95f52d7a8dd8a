/** Loop devices on the file `disk`: attaching, partitions, other kernel users. */
import { closeSync, readSync } from "node:fs";
import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../base/errors.js";
import { attachLoopDevice } from "../linux/mount/loopControl.js";
import { type LoopNodes, readLoopDevices, readLoopNodes, swapAreas } from "../linux/proc/loopDevices.js";
import { readNames } from "../linux/proc/procFile.js";
import { O_RDONLY, O_RDWR } from "../linux/syscall/constants.js";
import type { MountStatus } from "../mounts/status.js";
import { type AwaitedSession, makeCalls } from "./call.js";
import { openDisk } from "./openDisk.js";
import { neededSectorBytes, SECTOR_LOOK_BYTES } from "./sectorSize.js";

const DETACH_TIMEOUT_MS = 30_000;
/** The kernel clears a loop device after its last user has closed it, not before LOOP_CLR_FD returns. */
const GONE_DEADLINE_MS = 5_000;
const GONE_POLL_MS = 20;

/**
 * Makes a block device of the disk's file. Direct I/O keeps the memory from being held
 * twice. Sectors are 4096 bytes, which keeps sub-page writes away, unless what is on the
 * disk was made for smaller ones.
 * @throws UserError
 */
export function attachLoop(disk: MountStatus): LoopNodes {
  const { file, readOnly } = disk;
  const what = `losetup ${file}`;
  const fd = openDisk(what, disk, readOnly ? O_RDONLY : O_RDWR);
  try {
    const sectorBytes = neededSectorBytes(beginningOf(fd));
    return nodesOf(attachLoopDevice(what, fd, { readOnly, sectorBytes, name: file }));
  } finally {
    closeSync(fd);
  }
}

/** A disk that cannot be read counts as blank: the next user of the device gets the error. */
function beginningOf(fd: number): Uint8Array {
  const bytes = new Uint8Array(SECTOR_LOOK_BYTES);
  try {
    readSync(fd, bytes, 0, bytes.length, 0);
  } catch {
    bytes.fill(0);
  }
  return bytes;
}

function nodesOf(path: string): LoopNodes {
  const nodes = readLoopNodes().find((loop) => loop.path === path);
  return nodes ?? { path, backingFile: "", diskSeq: null, nodes: [] };
}

/** Detaches a loop device and waits until it is gone. @throws UserError EBUSY */
export async function detachLoop(
  what: string,
  loop: Pick<LoopNodes, "path" | "diskSeq">,
  waitsFor?: AwaitedSession,
): Promise<void> {
  const { path, diskSeq } = loop;
  await makeCalls(what, [{ act: "loop-detach", path, diskSeq }], { timeoutMs: DETACH_TIMEOUT_MS, waitsFor });
  const deadline = Date.now() + GONE_DEADLINE_MS;
  while (isAttached(loop)) {
    if (Date.now() > deadline) {
      throw new UserError(what, `${path} is still in use`, { code: "EBUSY", cure: `fuser -v ${path}` });
    }
    await sleep(GONE_POLL_MS);
  }
}

/** False as well when another file has the device by now. */
export function isAttached({ path, diskSeq }: Pick<LoopNodes, "path" | "diskSeq">): boolean {
  return readLoopDevices().some((loop) => loop.path === path && loop.diskSeq === diskSeq);
}

/** The device and its partitions, e.g. `/dev/loop0`, `/dev/loop0p1`. */
export function withPartitions(device: string): string[] {
  const name = basename(device);
  const partitions = readNames(`/sys/block/${name}`).filter((entry) => entry.startsWith(`${name}p`));
  return [device, ...partitions.map((entry) => `/dev/${entry}`)];
}

/** What else of the kernel holds `device`: swap areas and device-mapper targets, for people. */
export function stackedDevices(device: string): string[] {
  const names = new Set(withPartitions(device));
  const swap = swapAreas().filter((area) => names.has(area));
  const parts = [...names].flatMap((part) =>
    readNames(`/sys/class/block/${basename(part)}/holders`).map((holder) => `${part} is part of /dev/${holder}`),
  );
  return [...swap.map((area) => `${area} is in use as swap`), ...parts];
}
