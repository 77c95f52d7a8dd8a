/** Parsers of /proc on recorded text. */
import { describe, expect, it } from "vitest";
import { connectionOf } from "../../../src/linux/fuse/fuseConnection.js";
import { parseLocks } from "../../../src/linux/proc/fileLocks.js";
import { swapAreas } from "../../../src/linux/proc/loopDevices.js";
import { mountOfPath, parseMountinfo } from "../../../src/linux/proc/mounts.js";
import { mappingOn } from "../../../src/linux/proc/mountUsers.js";
import { isAlive, machineMemory, parseKilobytes } from "../../../src/linux/proc/proc.js";
import { processName } from "../../../src/linux/proc/procFile.js";

const MOUNTINFO = [
  "21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,errors=remount-ro",
  "36 21 0:45 / /mnt/my\\040disk rw,nosuid,nodev shared:7 master:2 - fuse.kmemfs kmemfs rw,user_id=0,group_id=0",
  "37 21 7:0 /sub /mnt/fs rw - ext4 /dev/loop0 rw",
  "38 36 0:46 / /mnt/my\\040disk/in\\134ner rw - tmpfs none rw",
  "broken line",
].join("\n");

describe("mountinfo", () => {
  const mounts = parseMountinfo(MOUNTINFO);

  it("decodes octal escapes and skips optional fields of any number", () => {
    expect(mounts).toHaveLength(4);
    expect(mounts[1]).toEqual({
      mountId: 36,
      parentId: 21,
      majorMinor: "0:45",
      root: "/",
      mountpoint: "/mnt/my disk",
      fsType: "fuse.kmemfs",
      source: "kmemfs",
      options: "rw,nosuid,nodev,rw,user_id=0,group_id=0",
      sharedWith: 7,
      slaveOf: 2,
    });
    expect(mounts[2].root).toBe("/sub");
    expect(mounts[3].mountpoint).toBe("/mnt/my disk/in\\ner");
  });

  it("takes the longest mount point for a path, at component borders", () => {
    expect(mountOfPath("/mnt/my disk/disk", mounts)?.mountId).toBe(36);
    expect(mountOfPath("/mnt/my disk2", mounts)?.mountId).toBe(21);
    expect(mountOfPath("/", mounts)?.mountId).toBe(21);
  });

  it("knows the FUSE connection from the minor", () => {
    expect(connectionOf("/mnt/my disk", mounts)).toBe(45);
    expect(connectionOf("/mnt/fs", mounts)).toBeNull();
    expect(connectionOf("/nowhere", mounts)).toBeNull();
  });
});

describe("other files of /proc", () => {
  it("matches a mapping by hexadecimal device", () => {
    const maps = [
      "7f0000000000-7f0000001000 r--p 00000000 00:2d 2                  /mnt/my disk/disk",
      "7f0000002000-7f0000003000 rw-p 00000000 00:00 0 ",
    ].join("\n");
    expect(mappingOn(maps, "0:45")).toBe("/mnt/my disk/disk");
    expect(mappingOn(maps, "0:44")).toBeNull();
    expect(mappingOn(maps, "0:0")).toBeNull();
  });

  it("lists swap areas", () => {
    const text =
      "Filename\t\t\t\tType\t\tSize\n/dev/loop0                              partition\t1020\t0\t-2\n/swap\\040file file 1 0 -3\n";
    expect(swapAreas(text)).toEqual(["/dev/loop0", "/swap file"]);
  });

  it("finds the flock of a file and no other lock", () => {
    const locks =
      "1: POSIX  ADVISORY  WRITE 11 fe:00:99 0 EOF\n2: FLOCK  ADVISORY  WRITE 22 fe:00:99 0 EOF\n2: -> FLOCK  ADVISORY  WRITE 33 fe:00:99 0 EOF\n";
    expect(parseLocks(locks, "fe:00:99")).toBe(22);
    expect(parseLocks(locks, "fe:00:9")).toBeNull();
  });

  it("reads kilobyte lines as bytes", () => {
    const values = parseKilobytes("MemFree:         100 kB\nHugePages_Total:       3\nRssAnon:\t   7 kB\n");
    expect([values.get("MemFree"), values.get("RssAnon"), values.has("HugePages_Total")]).toEqual([
      102400,
      7168,
      false,
    ]);
  });

  it("tells of this process and this machine", () => {
    expect(machineMemory().availableBytes).toBeGreaterThan(0);
    expect(isAlive(process.pid)).toBe(true);
    expect(isAlive(2 ** 30)).toBe(false);
    expect(processName(process.pid)).not.toBeNull();
  });
});
