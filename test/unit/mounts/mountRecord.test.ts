/** Whose a device number is that the kernel gave to one disk after another. */
import { readFileSync, utimesSync, writeFileSync } from "node:fs";
import { afterEach, expect, it } from "vitest";
import { toMountOptions } from "../../../src/cli/mountOptions.js";
import { idOf, readMountRecords, removeMountRecord, writeMountRecord } from "../../../src/mounts/mountRecord.js";
import { diskId, diskPaths, makeStateDirectory } from "../../../src/mounts/stateDirectory.js";

/** The kernel gives no number as large. */
const DEVICE = `0:${process.pid}000000`;
const ONE = `/kmemfs-test/${process.pid}/one`;
const OTHER = `/kmemfs-test/${process.pid}/other`;

function write(mountpoint: string, writtenSeconds: number): void {
  const place = { mountpoint, fuseDirectory: mountpoint };
  const options = toMountOptions("/srv/pool", place, {}, { root: true, directory: "/" });
  const holder = { pid: 1, startTicks: "7" };
  writeMountRecord({ ...options, holder, seen: { device: DEVICE, loops: [], heldBytes: 4096 } });
  utimesSync(diskPaths(mountpoint).record, writtenSeconds, writtenSeconds);
}

afterEach(() => {
  for (const mountpoint of [ONE, OTHER]) removeMountRecord(mountpoint);
});

it("a mount that was moved is the disk's that noted its device number last", () => {
  makeStateDirectory();
  const moved = { mountpoint: "/kmemfs-test/moved", majorMinor: DEVICE };
  for (const [stale, last] of [
    [ONE, OTHER],
    [OTHER, ONE],
  ] as const) {
    write(stale, 1_000);
    write(last, 2_000);
    expect(idOf(moved)).toBe(diskId(last));
    expect(idOf({ ...moved, mountpoint: stale })).toBe(diskId(stale));
  }
});

it("what was seen in another boot says nothing of this one; what was asked for still does", () => {
  makeStateDirectory();
  write(ONE, 1_000);
  const path = diskPaths(ONE).record;
  const find = () => readMountRecords().find(({ mountpoint }) => mountpoint === ONE);
  expect(find()).toMatchObject({ holder: { pid: 1 }, seen: { device: DEVICE } });
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), boot: "another" }));
  expect(find()).toMatchObject({ pool: { path: "/srv/pool" }, restarts: 5 });
  expect(find()).not.toHaveProperty("holder");
  expect(find()).not.toHaveProperty("seen");
});
