import { expect, it } from "vitest";
import { growCommand } from "../../../src/cli/resize.js";
import { letShrink } from "../../../src/daemon/holder/heldDisk.js";
import { resizeDisk } from "../../../src/disk/resize.js";
import { parseMountinfo } from "../../../src/linux/proc/mounts.js";
import type { MountStatus } from "../../../src/mounts/status.js";
import { mayShrinkTo, PERSISTENT_WORDS, shrunk } from "../../../src/pool/persistentState.js";

const PAGE = 4096;

it("the holder allows one size, takes it back, and refuses what is no size", () => {
  const words = new Int32Array(PERSISTENT_WORDS);
  expect(mayShrinkTo(words, 0)).toBe(false);
  letShrink(words, 8 * PAGE);
  expect([7, 8, 9, 0].map((blocks) => mayShrinkTo(words, blocks))).toEqual([false, true, false, false]);
  shrunk(words, 7);
  expect(mayShrinkTo(words, 8)).toBe(true);
  shrunk(words, 8);
  expect(mayShrinkTo(words, 8)).toBe(false);
  // Above 2^31 blocks, as a word has a sign.
  letShrink(words, 3 * 2 ** 30 * PAGE);
  expect(mayShrinkTo(words, 3 * 2 ** 30)).toBe(true);
  letShrink(words, null);
  expect(mayShrinkTo(words, 3 * 2 ** 30)).toBe(false);
  for (const bad of [0, 1, PAGE + 1, 2 ** 60]) expect(() => letShrink(words, bad)).toThrow(/EINVAL/);
});

it("what cannot be is refused before anything is asked for", async () => {
  const status = { mountpoint: "/no/such", file: "/no/such/disk", maxSizeBytes: 16 * PAGE, readOnly: false };
  const disk = { ...status, io: "direct", sizeBytes: 8 * PAGE } as unknown as MountStatus;
  await expect(resizeDisk(disk, 17 * PAGE)).rejects.toThrow(/its maximum size is 65536 bytes \(EFBIG\)/);
  await expect(resizeDisk(disk, PAGE + 1)).rejects.toThrow(/not a multiple of 4096 \(EINVAL\)/);
  await expect(resizeDisk(disk, 0)).rejects.toThrow(/\(EINVAL\)/);
  await expect(resizeDisk({ ...disk, readOnly: true }, 16 * PAGE)).rejects.toThrow(/read-only \(EROFS\)/);
});

it.each([
  ["ext4", "resize2fs /dev/loop3"],
  ["xfs", "xfs_growfs '/mnt/a b'"],
  ["btrfs", "btrfs filesystem resize max '/mnt/a b'"],
])("%s grows by its own command", (type, command) => {
  const [mount] = parseMountinfo(`40 20 7:3 / /mnt/a\\040b rw - ${type} /dev/loop3 rw`);
  expect(growCommand("/dev/loop3", mount)).toBe(command);
});

it("one that is not mounted by one of them", () => {
  expect(growCommand("/dev/loop3", undefined)).toMatch(/^resize2fs; or, once mounted, xfs_growfs or btrfs/);
});
