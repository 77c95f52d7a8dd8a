/**
 * Loop devices on the file `disk`. Attaching and detaching are short and have
 * an effect, so they are never cut off by Ctrl-C: only by their time limit.
 */
import { readdirSync } from "node:fs";
import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../../base/errors.js";
import { loopDevicesOn, swapAreas } from "../../linux/proc.js";
import { complaint, run } from "./command.js";

/** The kernel clears a loop device after its last user has closed it, not before LOOP_CLR_FD returns. */
const GONE_DEADLINE_MS = 5_000;
const POLL_MS = 20;

/** Paths of the loop devices on `file`. */
export function loopsOn(file: string): string[] {
  return loopDevicesOn(file).map((device) => device.path);
}

/**
 * Makes a block device of `file` and returns its path. Direct I/O keeps the
 * memory from being held twice; 4096-byte sectors keep sub-page writes away.
 */
export async function attachLoop(file: string, readOnly: boolean): Promise<string> {
  const what = `losetup ${file}`;
  const args = ["--find", "--show", "--direct-io=on", ...(readOnly ? ["--read-only"] : [])];
  let result = await run("losetup", [...args, "--sector-size", "4096", file]);
  // Kernels before 4.14 have no LOOP_SET_BLOCK_SIZE.
  if (result.exitCode !== 0) result = await run("losetup", [...args, file]);
  if (result.exitCode === 0) return result.stdout.trim();
  const reason = complaint(result);
  if (/cannot find an unused loop device/i.test(reason)) {
    throw new UserError(what, "no loop device is free", {
      code: "ENXIO",
      cure: "modprobe loop, or losetup -a to see who has them",
    });
  }
  throw new UserError(what, reason);
}

/** Takes `device` off `file` and waits until it is gone. */
export async function detachLoop(device: string, file: string): Promise<void> {
  const what = `losetup -d ${device}`;
  const result = await run("losetup", ["-d", device]);
  // One that mount(8) made clears itself with the last umount: then it is no device any more (ENXIO).
  const clearsItself = /No such device or address/.test(complaint(result));
  if (result.exitCode !== 0 && !clearsItself) throw new UserError(what, complaint(result));
  const deadline = Date.now() + GONE_DEADLINE_MS;
  while (loopsOn(file).includes(device)) {
    if (Date.now() > deadline) {
      throw new UserError(what, "it is still in use, perhaps in another mount namespace", {
        code: "EBUSY",
        cure: `grep ${basename(device)} /proc/*/mountinfo`,
      });
    }
    await sleep(POLL_MS);
  }
}

/** The device and its partitions, e.g. `/dev/loop0`, `/dev/loop0p1`. */
export function withPartitions(device: string): string[] {
  const name = basename(device);
  try {
    const entries = readdirSync(`/sys/block/${name}`).filter((entry) => entry.startsWith(`${name}p`));
    return [device, ...entries.map((entry) => `/dev/${entry}`)];
  } catch {
    return [device];
  }
}

/** The loop device that `source` is or is a partition of, or null. */
export function loopOf(source: string): string | null {
  return /^(\/dev\/loop\d+)(p\d+)?$/.exec(source)?.[1] ?? null;
}

/** What else of the kernel holds `device`: swap areas and device-mapper targets, for people. */
export function kernelHolders(device: string): string[] {
  const found: string[] = [];
  const names = new Set(withPartitions(device));
  for (const area of swapAreas()) if (names.has(area)) found.push(`${area} is a swap area`);
  for (const part of names) {
    try {
      const holders = readdirSync(`/sys/class/block/${basename(part)}/holders`);
      for (const holder of holders) found.push(`${part} is part of /dev/${holder}`);
    } catch {
      // The device went away meanwhile: nothing holds it.
    }
  }
  return found;
}
