/** The warning of `mount` and `up` that swap lies on a disk of kmemfs. Swap that comes later only `doctor` sees. */
import { join } from "node:path";
import { quote } from "../mounts/paths.js";
import { printErrorLine } from "./print.js";

/** Looks at all disks, and asks none: with low memory any of them would wait for itself. */
export async function warnOfOwnSwap(): Promise<void> {
  const { swapAreas } = await import("../linux/proc/proc.js");
  if (swapAreas().length === 0) return;
  const [{ readRecords }, { swapOn }] = await Promise.all([
    import("../mounts/mountRecord.js"),
    import("../disk/stackedOn.js"),
  ]);
  for (const { fuseDirectory, mountpoint } of readRecords()) {
    for (const area of swapOn(join(fuseDirectory, "disk"))) {
      printErrorLine(`kmemfs: warning: the swap area ${area} lies on the disk ${quote(mountpoint)}`);
      printErrorLine(`try: swapoff ${quote(area)}`);
    }
  }
}
