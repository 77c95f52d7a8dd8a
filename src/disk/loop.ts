/** Loop devices on the file `disk`: attaching and detaching. */
import { closeSync, readSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { attachLoopDevice } from "../linux/mount/loopControl.js";
import { type LoopNodes, readLoopDevices, readLoopNodes } from "../linux/proc/loopDevices.js";
import { O_RDONLY, O_RDWR } from "../linux/syscall/constants.js";
import type { MountStatus } from "../mounts/status.js";
import { type AwaitedSession, makeCalls } from "./call.js";
import { openDisk } from "./openDisk.js";
import { neededSectorBytes, SECTOR_LOOK_BYTES } from "./sectorSize.js";
import { busy } from "./users.js";

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

/** As `letGoOfLoop`. @throws UserError EBUSY when somebody has it open still */
export async function detachLoop(what: string, loop: LoopUse, waitsFor?: AwaitedSession): Promise<void> {
  const { path } = loop;
  if (await letGoOfLoop(what, loop, waitsFor)) return;
  throw busy(what, [`${path} is still in use`], `fuser -v ${path}`);
}

/** One use of a loop device. */
type LoopUse = Pick<LoopNodes, "path" | "diskSeq">;

/** Takes a loop device off its file and waits for that. @returns false when it goes only with its last user */
export async function letGoOfLoop(what: string, loop: LoopUse, waitsFor?: AwaitedSession): Promise<boolean> {
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
