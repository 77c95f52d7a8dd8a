/** The part of `recover` for loop devices that hold the memory of vanished disks. */
import { UserError } from "../base/errors.js";
import type { Orphan } from "../recover/orphans.js";
import { endSession } from "../recover/orphans.js";
import { detach } from "../recover/steps.js";
import { printLine } from "./print.js";
import { formatBytes } from "./sizes.js";

/** True when `path` names the disk or its device. */
export function isOrphanMeant({ mountpoint, loop }: Orphan, path: string): boolean {
  return mountpoint === path || loop.path === path;
}

/** What it is and holds, in one line. */
export function describeOrphan({ mountpoint, loop, heldBytes, sizeBytes }: Orphan): string {
  const held = heldBytes === null ? `up to ${formatBytes(sizeBytes)}` : formatBytes(heldBytes);
  const whose = mountpoint === null ? "a disk" : `the disk ${mountpoint}`;
  return `${loop.path} holds ${held} of ${whose}, which is dead and no longer mounted`;
}

/** What is going to be done, a line each. */
export function orphanPlan(orphan: Orphan): string[] {
  const lines = [describeOrphan(orphan)];
  if (orphan.blockers.length === 0) lines.push(`  will detach ${orphan.loop.path}`);
  return lines;
}

/** @throws UserError when it stays */
export async function clearOrphan(orphan: Orphan): Promise<void> {
  const { loop, blockers } = orphan;
  if (blockers.length > 0) {
    const cure = "stop these, then kmemfs recover";
    throw new UserError(`recover ${loop.path}`, blockers.join("; "), { code: "EBUSY", cure });
  }

  endSession(orphan);
  printLine(await detach(loop).act());
}
