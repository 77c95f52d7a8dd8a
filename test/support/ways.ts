/**
 * Which kernel test files run in which I/O mode. One that is named nowhere runs in
 * both: where bytes, holes and the account come from, each way is another program.
 * The rest is about processes, mounts and commands, which are the same in both; it runs
 * in one of them by turns, and in both in the long form.
 */
import { isLongForm } from "./longForm.js";

/** They name the way of each of their mounts, or it makes no difference to them: once, also in the long form. */
const namingTheirWay = { served: ["direct-*"], direct: ["doctor", "recover", "rehome"] };

/** These two lists take about the same time; those that change the whole machine are all in the first. */
const servedAlone = [
  // They install /sbin/mount.fuse.kmemfs.
  "fstab",
  "mount-options",
  "mount8",
  "remount",
  // The machine's number of huge pages.
  "hugetlbfs",
  "bad-mountpoint",
  "bad-pool",
  "bad-sizes",
  "bad-superblock",
  "demo",
  "enospc-thin",
  "given-up",
  "in-use",
  "least-sizes",
  "mount-command",
  "nbd",
  "no-fuse",
  "one-tebibyte",
  "pool-lock",
  "qemu-io",
  "two-pools",
  "unmount-busy",
  "user",
  "user-namespace",
];
const directAlone = [
  "check-repair",
  "discard-device",
  "failover",
  "fd-store",
  "frozen",
  "hard-ends",
  "holder-killed",
  "loop-by-ioctl",
  "numa",
  "orphans",
  "program-gone",
  "right-mount",
  "sigterm",
  "silent-holder",
  "status",
  "storm",
  "up-down",
];

export type Way = "served" | "direct";

/** @returns names of files in test/kernel, without `.test.ts`, that do not run in `way` */
export function excludedFrom(way: Way, long = isLongForm): readonly string[] {
  const turns = way === "served" ? directAlone : servedAlone;
  return [...namingTheirWay[way], ...(long ? [] : turns)];
}

export const namesInTurns: readonly string[] = [...servedAlone, ...directAlone];
