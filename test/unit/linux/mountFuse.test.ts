/** Mounting without serving: nothing here looks at the mount, so nothing can wait for an answer. */
import { closeSync, mkdtempSync, openSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ENODEV, ENOENT } from "../../../src/base/errno.js";
import { MIB } from "../../../src/base/units.js";
import { abortConnection, connectionOf } from "../../../src/linux/fuse/fuseConnection.js";
import { cloneFuseDevice, FuseChannel, openFuseDevice } from "../../../src/linux/fuse/fuseDevice.js";
import { mountWithFusermount } from "../../../src/linux/fuse/fusermount.js";
import { mountFuse } from "../../../src/linux/fuse/mountFuse.js";
import { detachExactly, unmountExactly } from "../../../src/linux/mount/mountHandle.js";
import { mountOn, readMounts } from "../../../src/linux/proc/mounts.js";
import { usersOfMount } from "../../../src/linux/proc/mountUsers.js";
import { allocateBuffer } from "../../../src/linux/syscall/buffers.js";
import { isRoot, userError, withDirectory } from "./support.js";

const FUSE_INIT = 26;

function withMount(mount: (directory: string) => number, act: (fd: number, directory: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), "kmemfs-mount-"));
  let fd = -1;
  try {
    fd = mount(directory);
    act(fd, directory);
  } finally {
    if (fd >= 0) closeSync(fd);
    const left = mountOn(directory, readMounts());
    if (left !== null) detachExactly("the test", left);
    rmdirSync(directory);
  }
}

describe.skipIf(!isRoot)("a FUSE mount", () => {
  const direct = (directory: string): number => {
    const fd = openFuseDevice();
    mountFuse(fd, directory, { readOnly: true, allowOther: true, maxReadBytes: MIB, source: "/pool with, comma" });
    return fd;
  };
  const helper = (directory: string): number =>
    mountWithFusermount(directory, {
      readOnly: true,
      allowOther: true,
      maxReadBytes: MIB,
      source: "/pool with, comma",
    });

  it.each([
    ["mount(2)", direct],
    ["fusermount3", helper],
  ] as const)("by %s shows its source and type and hands over INIT", (_name, mount) => {
    withMount(mount, (fd, directory) => {
      const entry = mountOn(directory, readMounts());
      expect(entry).toMatchObject({ fsType: "fuse.kmemfs", source: "/pool with, comma" });
      expect(entry?.options).toMatch(/^ro,nosuid,nodev.*default_permissions,allow_other,max_read=1048576/);
      const buffer = allocateBuffer(MIB + 8192);
      expect(new FuseChannel(fd).read(buffer.address, buffer.lengthBytes)).toBeGreaterThan(40);
      expect(new Uint32Array(buffer.bytes)[1]).toBe(FUSE_INIT);
      const clone = cloneFuseDevice(fd);
      expect(clone).toBeGreaterThan(0);
      closeSync(clone);
      expect(usersOfMount(directory)).toEqual([]);
      if (entry === null) throw new Error("not mounted");
      expect(unmountExactly("the test", entry)).toBe(0);
      expect(unmountExactly("the test", entry)).toBe(ENOENT);
      expect(new FuseChannel(fd).read(buffer.address, buffer.lengthBytes)).toBe(-ENODEV);
    });
  });

  it("is ended by aborting its connection, mounted fusectl or not", () => {
    withMount(direct, (fd, directory) => {
      const connection = connectionOf(directory) ?? -1;
      expect(connection).toBeGreaterThan(0);
      expect(abortConnection(connection)).toBe(0);
      const buffer = allocateBuffer(MIB);
      expect(new FuseChannel(fd).read(buffer.address, buffer.lengthBytes)).toBeLessThan(0);
    });
  });

  it("is refused with a cure where no directory is", () => {
    const fd = openFuseDevice();
    const error = userError(() => mountFuse(fd, "/nonexistent/x", { readOnly: false, allowOther: true }));
    expect([error.what, error.options.code, error.options.cure]).toEqual([
      "mount /nonexistent/x",
      "ENOENT",
      "mkdir -p /nonexistent/x",
    ]);
    expect(cloneFuseDevice(fd)).toBeLessThan(0);
    closeSync(fd);
  });
});

describe("holders", () => {
  it.skipIf(!isRoot)("names this process and its open file by the mount alone", () => {
    withDirectory((directory) => {
      const fd = openSync(join(directory, "open"), "w");
      const found = usersOfMount("/dev/shm").filter((holder) => holder.pid === process.pid);
      expect(found).toEqual([expect.objectContaining({ how: "open file", path: join(directory, "open") })]);
      closeSync(fd);
    }, "/dev/shm");
  });
});
