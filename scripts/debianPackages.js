/**
 * The Debian packages that the demo, the tests and the benchmarks use, and
 * their installation. A package is there when what we use of it is there,
 * however it came. What cannot be installed is said, and is no failure here:
 * the tests that need it skip, or fail with KMEMFS_REQUIRE_KERNEL=1.
 */
import { existsSync } from "node:fs";
import { attempt, hasCommand } from "./run.js";

/** What each package is known by: commands and files. */
const contents = {
  // Which modes persistent memory is in.
  daxctl: { commands: ["daxctl"] },
  ndctl: { commands: ["ndctl"] },
  "qemu-system-x86": { commands: ["qemu-system-x86_64"] },
  "btrfs-progs": { commands: ["mkfs.btrfs"] },
  e2fsprogs: { commands: ["mkfs.ext4", "e2fsck"] },
  fio: { commands: ["fio"] },
  // Only mounts of users without root need it.
  fuse3: { commands: ["fusermount3"] },
  gcc: { commands: ["cc"] },
  "libc6-dev": { files: ["/usr/include/stdio.h"] },
  "libnbd-bin": { commands: ["nbdcopy", "nbdfuse", "nbdinfo"] },
  // Cache-line write-back on device DAX.
  libpmem1: { files: [`/usr/lib/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu/libpmem.so.1`] },
  "linux-libc-dev": { files: ["/usr/include/linux/fuse.h"] },
  mount: { commands: ["mount", "losetup"] },
  nbdkit: { commands: ["nbdkit"] },
  "qemu-utils": { commands: ["qemu-img", "qemu-io"] },
  sqlite3: { commands: ["sqlite3"] },
  strace: { commands: ["strace"] },
  "util-linux": { commands: ["fstrim", "blkdiscard"] },
  xfsprogs: { commands: ["mkfs.xfs"] },
};

export const demoPackages = ["e2fsprogs", "mount", "util-linux"];
/** For a guest with persistent memory alone: large, and of no use to other tests. */
export const guestPackages = ["daxctl", "ndctl", "qemu-system-x86"];
export const testPackages = Object.keys(contents).filter((name) => !guestPackages.includes(name));

function isThere(name) {
  const { commands = [], files = [] } = contents[name];
  return commands.every(hasCommand) && files.every((file) => existsSync(file));
}

/** Nothing is ever removed for one of ours: fuse3, for example, displaces fuse. */
function install(names) {
  const options = ["install", "-y", "-q", "--no-install-recommends", "--no-remove"];
  return attempt("apt-get", [...options, ...names], { DEBIAN_FRONTEND: "noninteractive" }) === 0;
}

/** Installs what is missing of `names`, where that is possible, and says what it does. */
export function ensurePackages(names) {
  const missing = names.filter((name) => !isThere(name));
  if (missing.length === 0) return;
  const list = missing.join(" ");
  if (process.env.KMEMFS_NO_INSTALL === "1" || process.getuid?.() !== 0 || !hasCommand("apt-get")) {
    console.log(`Missing: ${list}. What needs them is skipped. As root on Debian: apt-get install ${list}`);
    return;
  }
  console.log(`Installing Debian packages: ${list} (KMEMFS_NO_INSTALL=1 leaves them out)`);
  if (install(missing)) return;
  attempt("apt-get", ["update", "-q"]);
  if (install(missing)) return;
  // One that cannot be had must not keep the others away.
  for (const name of missing) install([name]);
  const refused = missing.filter((name) => !isThere(name));
  if (refused.length > 0) console.log(`Could not be installed: ${refused.join(" ")}`);
}
