/** `kmemfs down MOUNTPOINT`: the reverse of `up`, in the safe order. */
import type { Command } from "commander";
import { prepareCalls } from "../disk/call.js";
import { findDead, findDisk, noDisk } from "../disk/findDisk.js";
import { interruptible } from "../disk/rollback.js";
import { takeDown, takeDownDead } from "../disk/takeDown.js";
import { printLine } from "./print.js";

async function down(mountpoint: string): Promise<void> {
  const found = findDisk(mountpoint);
  // While the holder is asked.
  prepareCalls();
  const disk = await found;
  const dead = disk === null ? await findDead(`down ${mountpoint}`, mountpoint) : null;
  if (disk === null && dead === null) throw noDisk("down", mountpoint);
  // Called from inside the file system, this process would hold it itself.
  process.chdir("/");
  // A signal does not interrupt it, as half a tear-down is useless; each step has a time limit.
  const lines = await interruptible("down", async () => {
    if (disk !== null) return takeDown(disk);
    return dead === null ? [] : takeDownDead(dead);
  });
  for (const line of lines) printLine(line);
}

export function defineDown(command: Command): void {
  command
    .description(
      "Takes down a disk made by up, or by hand with mount and losetup. A disk that is in use is left alone, and its users are listed.",
    )
    .argument("<mountpoint>", "where the file system or the disk is mounted")
    .action(down);
}
