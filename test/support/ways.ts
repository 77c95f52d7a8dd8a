/**
 * Which kernel test files run in which I/O mode, and beside which others. One that is
 * named nowhere runs in both: where bytes, holes and the account come from, each mode is
 * another program. The rest is about processes, mounts and commands, which are the same
 * in both; it runs in one of them by turns, and in both in the long form.
 */
import { isLongForm } from "./longForm.js";

export type Way = "served" | "direct";

/** They name the mode of each of their mounts, or it makes no difference to them: once, also in the long form. */
const namingTheirWay = { served: ["doctor", "recover", "rehome"], direct: ["direct-*"] };

/** So do these, which change the whole machine: they install /sbin/mount.fuse.kmemfs, or set the number of huge pages. */
const machineWide = ["fstab", "hugetlbfs", "mount-options", "mount8", "remount"];

/** These two lists take about the same time. */
const servedAlone = [
  "bad-mountpoint",
  "bad-pool",
  "bad-sizes",
  "bad-superblock",
  "demo",
  "enospc-thin",
  "frozen",
  "given-up",
  "in-use",
  "least-sizes",
  "loop-by-ioctl",
  "mount-command",
  "nbd",
  "no-fuse",
  "one-tebibyte",
  "pool-lock",
  "qemu-io",
  "status",
  "two-pools",
  "unmount-busy",
  "user",
  "user-namespace",
];
const directAlone = [
  "check-repair",
  "dead-places",
  "discard-device",
  "failover",
  "fd-store",
  "hard-ends",
  "holder-killed",
  "numa",
  "orphans",
  "program-gone",
  "right-mount",
  "sigterm",
  "silent-holder",
  "storm",
  "up-down",
];

export const namesInTurns: readonly string[] = [...machineWide, ...servedAlone, ...directAlone];

export interface Lane {
  readonly way: Way;
  /** Names of files in test/kernel, without `.test.ts`. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** Bytes are the same with a spare server or without one, whose start is a third of a mount. */
  readonly noSpare: boolean;
}

/** The vitest projects of the kernel tests, by name; as root they run beside each other. */
export function kernelLanes(long = isLongForm): Readonly<Record<string, Lane>> {
  const inTurns = (own: readonly string[], others: readonly string[]) => [...own, ...(long ? others : [])];
  return {
    "kernel-served": {
      way: "served",
      include: ["*"],
      exclude: [...namesInTurns, ...namingTheirWay.direct],
      noSpare: !long,
    },
    "kernel-direct": {
      way: "direct",
      include: ["*"],
      exclude: [...namesInTurns, ...namingTheirWay.served],
      noSpare: !long,
    },
    "kernel-served-turns": {
      way: "served",
      include: [...machineWide, ...inTurns(servedAlone, directAlone)],
      exclude: [],
      noSpare: false,
    },
    "kernel-direct-turns": { way: "direct", include: inTurns(directAlone, servedAlone), exclude: [], noSpare: false },
  };
}
