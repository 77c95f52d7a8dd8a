/** The warning of `mount` and `up` that swap lies on a disk of kmemfs. Swap that comes later only `doctor` sees. */
import { quote } from "../daemon/disk/paths.js";
import { printErrorLine } from "./print.js";

/** Looks at all running disks: with low memory any of them would wait for itself. */
export async function warnOfOwnSwap(): Promise<void> {
  const { swapAreas } = await import("../linux/proc.js");
  if (swapAreas().length === 0) return;
  const [{ listMounts }, { swapOn }] = await Promise.all([
    import("../daemon/client.js"),
    import("../daemon/disk/lyingOn.js"),
  ]);
  for (const disk of await listMounts()) {
    for (const area of swapOn(disk.file)) {
      printErrorLine(`kmemfs: warning: the swap area ${area} lies on the disk ${quote(disk.mountpoint)}`);
      printErrorLine(`try: swapoff ${quote(area)}`);
    }
  }
}
