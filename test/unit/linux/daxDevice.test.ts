/** What sysfs says of a DAX device, on trees as kernels show them. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, closeSync, copyFileSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readDaxDevice, usableDax } from "../../../src/linux/backing/daxDevice.js";
import { mapsFile, refuseOtherUsers } from "../../../src/linux/backing/daxUsers.js";
import { commandLine } from "../../../src/linux/proc/openedBy.js";
import { until } from "../../support/processes.js";
import { daxTree, plant, userError, withDirectory } from "./support.js";

const MIB = 2 ** 20;
const GIB = 2 ** 30;

type Files = Readonly<Record<string, string | number>>;

/** The device of a tree. */
function read(files: Files, driver?: string | null, subsystem?: string): ReturnType<typeof readDaxDevice> {
  let device: ReturnType<typeof readDaxDevice> = null;
  withDirectory((directory) => {
    daxTree(directory, files, "251:0", driver, subsystem);
    device = readDaxDevice(251, 0, directory);
  });
  return device;
}

const usable = (files: Files): ReturnType<typeof usableDax> => usableDax(read(files), "/dev/dax0.0");
const refusal = (files: Files, driver?: string | null): string =>
  userError(() => usableDax(read(files, driver), "/dev/dax0.0")).message;

/** Attributes of a range, as the kernel prints them. */
function range(number: number, start: number, lengthBytes: number, offsetBytes: number): Files {
  const hex = (value: number): string => `0x${value.toString(16)}`;
  return {
    [`mapping${number}/start`]: hex(start),
    [`mapping${number}/end`]: hex(start + lengthBytes - 1),
    [`mapping${number}/page_offset`]: hex(offsetBytes / 4096),
  };
}

describe("a device of a current kernel", () => {
  const files = { size: 1 * GIB, align: 2 * MIB, numa_node: 0, target_node: 1, ...range(0, 0x140000000, GIB, 0) };

  it("says all of itself", () => {
    expect(read(files)).toEqual({
      name: "dax0.0",
      driver: "device_dax",
      sizeBytes: GIB,
      alignBytes: 2 * MIB,
      ranges: [{ startBytes: 0x140000000, endBytes: 0x17fffffff, offsetPages: 0 }],
      numaNode: 0,
      targetNode: 1,
    });
    expect(usable(files)).toEqual({ sizeBytes: GIB, alignBytes: 2 * MIB });
  });

  it("has nodes that may be unknown", () => {
    expect(read({ ...files, numa_node: -1 })).toMatchObject({ numaNode: null, targetNode: 1 });
    expect(read({ size: GIB })).toMatchObject({ numaNode: null, targetNode: null });
  });
});

it("an older kernel has a size and a resource, and no drivers of a class", () => {
  expect(usable({ size: 64 * MIB, resource: "0x140000000" })).toEqual({ sizeBytes: 64 * MIB, alignBytes: 2 * MIB });
  const old = read({ size: 64 * MIB }, null, "class/dax");
  expect(usableDax(old, "/dev/dax0.0").sizeBytes).toBe(64 * MIB);
});

it("another device, also one that has a size, is no DAX device", () => {
  for (const device of [read({ size: 8 * MIB }, "mtdchar", "class/mtd"), null]) {
    expect(userError(() => usableDax(device, "/dev/x")).message).toMatch(/not device DAX \(EOPNOTSUPP\)/);
  }
  withDirectory((directory) => {
    plant(`${directory}/sys/dev/char/1:5`, { size: 8 * MIB });
    expect(readDaxDevice(1, 5, directory)).toBeNull();
  });
});

describe("the size that is used", () => {
  it("is whole units of alignment", () => {
    expect(usable({ size: 7 * MIB + 4096, align: 2 * MIB }).sizeBytes).toBe(6 * MIB);
    expect(usable({ size: 7 * MIB + 4097, align: 4096 }).sizeBytes).toBe(7 * MIB + 4096);
    expect(usable({ size: 3 * GIB - 1, align: GIB }).sizeBytes).toBe(2 * GIB);
  });

  it("is the sum of the ranges, in the device's order", () => {
    const files = { ...range(1, 0x200000000, 6 * MIB, 0), ...range(0, 0x140000000, 4 * MIB, 6 * MIB) };
    expect(usable({ size: 10 * MIB, ...files }).sizeBytes).toBe(10 * MIB);
    expect(usable(files).sizeBytes).toBe(10 * MIB);
  });

  it("is the least of what size and ranges say", () => {
    const ranges = { ...range(0, 0x140000000, 4 * MIB, 0), ...range(1, 0x200000000, 6 * MIB, 4 * MIB) };
    expect(usable({ size: 8 * MIB, ...ranges }).sizeBytes).toBe(8 * MIB);
    expect(usable({ size: 64 * MIB, ...ranges }).sizeBytes).toBe(10 * MIB);
    const eleven = { ...ranges, ...range(10, 0x300000000, 2 * MIB, 10 * MIB) };
    expect(usable({ size: 64 * MIB, ...eleven }).sizeBytes).toBe(12 * MIB);
  });

  it("ends at a gap, and where a unit would lie in two ranges", () => {
    const gap = { ...range(0, 0x140000000, 4 * MIB, 0), ...range(1, 0x200000000, 4 * MIB, 6 * MIB) };
    expect(usable({ size: 8 * MIB, ...gap }).sizeBytes).toBe(4 * MIB);
    const torn = { ...range(0, 0x140000000, 3 * MIB, 0), ...range(1, 0x200000000, 5 * MIB, 3 * MIB) };
    expect(usable({ size: 8 * MIB, ...torn }).sizeBytes).toBe(2 * MIB);
  });

  it("is the size alone where ranges are not to be read", () => {
    expect(usable({ size: 8 * MIB, "mapping0/page_offset": "0x0" }).sizeBytes).toBe(8 * MIB);
  });
});

describe("refusals", () => {
  it("nonsense in sysfs, by the attribute", () => {
    expect(refusal({ size: "many" })).toMatch(/does not report its size .*dax0\.0\) \(EINVAL\)/);
    expect(refusal({ size: "" })).toMatch(/its size/);
    expect(refusal({ size: -4096 })).toMatch(/its size/);
    expect(refusal({ align: 4096 })).toMatch(/its size/);
    for (const align of [0, 512, 3 * MIB, "2M", -1]) expect(refusal({ size: GIB, align })).toMatch(/its align/);
    expect(refusal({ size: GIB, "mapping0/start": "0x2000", "mapping0/end": "0x1fff" })).toMatch(/its mapping/);
    expect(refusal({ size: GIB, "mapping0/start": "here", "mapping0/end": "0x1fff" })).toMatch(/its mapping/);
  });

  it("a device without a whole unit", () => {
    expect(refusal({ size: 0 })).toBe("/dev/dax0.0: has 0 bytes, less than its alignment of 2097152 (EINVAL)");
    expect(refusal({ size: MIB })).toMatch(/has 1048576 bytes/);
    expect(refusal({ size: GIB, ...range(0, 4096, MIB, 0) })).toMatch(/has 0 bytes/);
  });

  it("a device in another mode, with what changes it", () => {
    const cures = [null, "kmem", "fsdev_dax"].map((driver) => {
      const error = userError(() => usableDax(read({ size: GIB }, driver), "/dev/dax0.0"));
      return [error.message, error.options.cure];
    });
    const reconfigure = "daxctl reconfigure-device --mode=devdax --force dax0.0";
    expect(cures).toEqual([
      ["/dev/dax0.0: is disabled (ENXIO)", "daxctl enable-device dax0.0"],
      ["/dev/dax0.0: is in system-ram mode: the machine uses it as RAM (EBUSY)", reconfigure],
      ["/dev/dax0.0: is bound to the driver fsdev_dax (EBUSY)", reconfigure],
    ]);
  });
});

it("a program that has only mapped it is named too", async () => {
  const directory = mkdtempSync("/tmp/kmemfs-linux-");
  const path = `${directory}/dax0.0`;
  // A process has its program mapped, and not open.
  copyFileSync("/bin/sleep", path);
  chmodSync(path, 0o700);
  const child = spawn(path, ["20"], { stdio: "ignore" });
  const fd = openSync(path, "r");
  try {
    await until(() => commandLine(child.pid ?? 0)[0] === path, 5_000, "the child");
    expect(userError(() => refuseOtherUsers(fd, path)).message).toBe(
      `${path}: in use by process ${child.pid} (dax0.0) (EBUSY)`,
    );
  } finally {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  refuseOtherUsers(fd, path);
  closeSync(fd);
  rmSync(directory, { recursive: true });
});

it("a mapping of the device is known by device and inode, whole", () => {
  const maps = "7f0000000000-7f0000200000 rw-s 00000000 00:06 409                        /dev/dax0.0\n";
  expect(mapsFile(maps, 0, 6, 409)).toBe(true);
  for (const [major, minor, inode] of [
    [0, 6, 40],
    [0, 6, 9],
    [0, 96, 409],
    [16, 6, 409],
  ])
    expect(mapsFile(maps, major, minor, inode)).toBe(false);
});
