/** The notes on the machine that `mount` and `up` print once the disk is ready. */
import { release } from "node:os";
import { join } from "node:path";
import { swapOn } from "../disk/stackedOn.js";
import { kernelLacks } from "../linux/proc/kernelLacks.js";
import { swapAreas } from "../linux/proc/loopDevices.js";
import { readMountRecords } from "../mounts/mountRecord.js";
import { quote } from "../mounts/paths.js";
import { printErrorLine, printLine } from "./print.js";

/** What this kernel lacks, and swap that lies on a disk of kmemfs. Swap that comes later only `doctor` sees. */
export function printMountNotes(): void {
  for (const lack of kernelLacks(release()) ?? []) printLine(`  Linux ${release()} lacks ${lack}`);
  warnOfOwnSwap();
}

/** Inspects all disks without accessing them: with low memory any of them would wait for itself. */
function warnOfOwnSwap(): void {
  if (swapAreas().length === 0) return;
  for (const { fuseDirectory, mountpoint } of readMountRecords()) {
    for (const area of swapOn(join(fuseDirectory, "disk"))) {
      printErrorLine(`kmemfs: warning: the swap area ${area} is on the disk ${quote(mountpoint)}`);
      printErrorLine(`try: swapoff ${quote(area)}`);
    }
  }
}
