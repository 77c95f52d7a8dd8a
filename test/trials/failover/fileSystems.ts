/** The file systems of the trials: that one is clean, by its own checker, which changes nothing. */
import type { FileSystemType } from "../../support/place.js";
import { run } from "../../support/processes.js";

export const FILE_SYSTEMS: readonly FileSystemType[] = ["ext4", "xfs", "btrfs"];

const CHECKERS: Readonly<Record<FileSystemType, readonly [string, ...string[]]>> = {
  ext4: ["e2fsck", "-f", "-n"],
  xfs: ["xfs_repair", "-n"],
  btrfs: ["btrfs", "check", "--readonly", "--check-data-csum"],
};

/** What the trials run of them. */
export const FILE_SYSTEM_COMMANDS = [
  ...FILE_SYSTEMS.map((type) => `mkfs.${type}`),
  ...Object.values(CHECKERS).map(([command]) => command),
];

/** Checks an unmounted file system. @throws Error with what its checker says */
export async function requireCleanFileSystem(type: FileSystemType, device: string): Promise<void> {
  const [command, ...args] = CHECKERS[type];
  await run(command, [...args, device], { timeoutMs: 120_000 });
}
