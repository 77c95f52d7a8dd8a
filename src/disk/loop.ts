/** Loop devices on the file `disk`: attaching, partitions, what else of the kernel has them. */
import { closeSync, readSync } from "node:fs";
import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../base/errors.js";
import { attachLoopDevice } from "../linux/mount/loopControl.js";
import { type LoopNodes, readLoopDevices, readLoopNodes, swapAreas } from "../linux/proc/loopDevices.js";
import { readNames } from "../linux/proc/procFile.js";
import { O_RDONLY, O_RDWR } from "../linux/syscall/constants.js";
import type { MountStatus } from "../mounts/status.js";
import { makeCalls } from "./call.js";
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

/** What cannot be read counts as blank: whoever uses the device will be told. */
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

/** As `letGoOfLoop`. @throws UserError EBUSY when somebody has it open still */
export async function detachLoop(what: string, loop: LoopUse, waitsFor?: string): Promise<void> {
  const { path } = loop;
  if (await letGoOfLoop(what, loop, waitsFor)) return;
  throw new UserError(what, `${path} is still in use`, { code: "EBUSY", cure: `fuser -v ${path}` });
}

/** One use of a loop device. */
type LoopUse = Pick<LoopNodes, "path" | "diskSeq">;

/** Takes a loop device off its file and waits for that. @returns false when it goes only with its last user */
export async function letGoOfLoop(what: string, loop: LoopUse, waitsFor?: string): Promise<boolean> {
  const { path, diskSeq } = loop;
  await makeCalls(what, [{ act: "loop-detach", path, diskSeq }], { timeoutMs: DETACH_TIMEOUT_MS, waitsFor });
  const deadline = Date.now() + GONE_DEADLINE_MS;
  while (isAttached(loop)) {
    if (Date.now() > deadline) return false;
    await sleep(GONE_POLL_MS);
  }
  return true;
}

/** False as well when another file has the device by now. */
export function isAttached({ path, diskSeq }: LoopUse): boolean {
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
