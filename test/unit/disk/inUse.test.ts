/** Who uses a session, from recorded mount tables. */
import { describe, expect, it } from "vitest";
import {
  coverClauses,
  fileSystemsElsewhere,
  livingInside,
  otherPlaces,
  type SessionUse,
} from "../../../src/disk/inUse.js";
import { isAnothers, loopsByPath, mountsOnLoops } from "../../../src/disk/loopFiles.js";
import { neededSectorBytes, SECTOR_LOOK_BYTES } from "../../../src/disk/sectorSize.js";
import { mountOfPath, parseMountinfo } from "../../../src/linux/proc/mounts.js";
import type { MountNamespace } from "../../../src/linux/proc/namespaces.js";
import { layersOf } from "../../../src/linux/proc/stacked.js";

const LOOP = {
  path: "/dev/loop0",
  backingFile: "/mnt/x/disk",
  diskSeq: "1",
  nodes: [{ path: "/dev/loop0", majorMinor: "7:0", partOf: [] }],
};

function namespace(lines: readonly string[], isOwn = true): MountNamespace {
  const mounts = parseMountinfo(["20 1 254:0 / / rw shared:1 - ext4 /dev/vda rw", ...lines].join("\n"));
  return { id: isOwn ? "mnt:[1]" : "mnt:[2]", isOwn, pid: 12, processName: "sleep", mounts };
}

function use(own: readonly string[], ...others: MountNamespace[]): SessionUse {
  const namespaces = [namespace(own), ...others];
  const { mounts } = namespaces[0];
  const main = mounts.find((mount) => mount.mountpoint === "/mnt/x") ?? null;
  return {
    device: "0:40",
    namespaces,
    main,
    loops: [LOOP],
    silent: [],
    fileSystems: mountsOnLoops([LOOP], mounts).reverse(),
  };
}

const MAIN = "30 20 0:40 / /mnt/x rw - fuse.kmemfs kmemfs rw";

describe("of two dead sessions at the same path, which answer alike, the loop device is on the other", () => {
  const ours = new Set(["0:40"]);
  const used = "40 20 7:0 / /files rw - ext4 /dev/loop0 rw";
  const another = MAIN.replace("0:40", "0:50");
  const judge = (...namespaces: MountNamespace[]): boolean => isAnothers(LOOP, ours, namespaces);

  it("where only that one's namespace uses it", () => {
    expect(judge(namespace([MAIN]), namespace([another, used], false))).toBe(true);
    const btrfs = "40 20 0:60 / /files rw - btrfs /dev/loop0 rw";
    expect(judge(namespace([MAIN]), namespace([another, btrfs], false))).toBe(true);
  });
  it("not where ours uses it, or nobody", () => {
    expect(judge(namespace([MAIN, used]), namespace([another, used], false))).toBe(false);
    expect(judge(namespace([MAIN]), namespace([another], false))).toBe(false);
  });
  it("not where a container has only the file system of ours", () => {
    expect(judge(namespace([MAIN]), namespace([used], false))).toBe(false);
    expect(judge(namespace([MAIN]), namespace([MAIN, used], false))).toBe(false);
  });
});

describe("other places of a session", () => {
  it("are none where it is mounted once", () => expect(otherPlaces(use([MAIN]))).toEqual([]));

  it("are bind mounts of it, and what lies over it or in it", () => {
    const more = ["31 20 0:40 / /mnt/b rw - fuse.kmemfs kmemfs rw", "32 30 0:41 / /mnt/x rw - tmpfs mine rw"];
    const found = use([MAIN, ...more, "33 20 0:40 /disk /mnt/file rw - fuse.kmemfs kmemfs rw"]);
    expect(coverClauses(found)).toEqual(["tmpfs (mine) is mounted over /mnt/x"]);
    expect(otherPlaces(found)).toEqual([
      "tmpfs (mine) is mounted over /mnt/x",
      "it is also mounted on /mnt/b",
      "it is also mounted on /mnt/file",
    ]);
    expect(coverClauses(use([MAIN, "34 20 0:41 / /mnt rw - tmpfs mine rw"]))).toEqual([
      "/mnt/x is hidden by tmpfs (mine) on /mnt",
    ]);
  });

  it("are mounts in other namespaces, but not those that go with ours", () => {
    const theirs = "50 49 0:40 / /mnt/x rw - fuse.kmemfs kmemfs rw";
    const around = (tag: string) => `49 1 254:0 / / rw ${tag} - ext4 /dev/vda rw`.replace("  ", " ");
    const other = (tag: string) => ({
      ...namespace([], false),
      mounts: parseMountinfo([around(tag), theirs].join("\n")),
    });
    const named = "it is mounted on /mnt/x in the mount namespace mnt:[2] of sleep (pid 12)";
    expect(otherPlaces(use([MAIN], other("")))).toEqual([named]);
    expect(otherPlaces(use([MAIN], other("shared:9")))).toEqual([named]);
    expect(otherPlaces(use([MAIN], other("shared:1")))).toEqual([]);
    expect(otherPlaces(use([MAIN], other("master:1")))).toEqual([]);
    // A slave of a slave that passes it on, and one in another place.
    const between = { ...other("shared:5 master:1"), id: "mnt:[3]" };
    expect(otherPlaces(use([MAIN], between, other("master:5")))).toEqual([]);
    expect(otherPlaces(use([MAIN], other("master:5")))).toEqual([named]);
    const moved = {
      ...other(""),
      mounts: parseMountinfo([around("master:1"), theirs.replace("/mnt/x", "/mnt/y")].join("\n")),
    };
    expect(otherPlaces(use([MAIN], moved))).toEqual([named.replace("/mnt/x", "/mnt/y")]);
  });

  it("are file systems on its loop device that are mounted only there", () => {
    const theirs = { ...namespace(["60 20 7:0 / /mnt/fs rw - ext4 /dev/loop0 rw"], false) };
    expect(fileSystemsElsewhere(use([MAIN], theirs))).toEqual([
      "/dev/loop0 is mounted on /mnt/fs in the mount namespace mnt:[2] of sleep (pid 12)",
    ]);
  });
});

it("what is mounted in its file systems and nowhere else would end with them", () => {
  const fs = "40 20 7:0 / /mnt/fs rw - ext4 /dev/loop0 rw";
  const home = "41 40 254:0 /home /mnt/fs/home rw - ext4 /dev/vda rw";
  expect(livingInside(use([MAIN, fs, home]))).toEqual([]);
  expect(livingInside(use([MAIN, fs, home, "42 40 0:60 / /mnt/fs/tmp rw - tmpfs mine rw"]))).toEqual([
    "tmpfs (mine) is mounted on /mnt/fs/tmp",
  ]);
});

it("a source is believed of a btrfs alone: any other mount may be called like a device", () => {
  const { mounts } = namespace([
    "40 20 0:60 / /mnt/foreign rw - tmpfs /dev/loop0 rw",
    "41 20 0:61 / /mnt/btrfs rw - btrfs /dev/loop0 rw",
    "42 20 7:0 / /mnt/ext4 rw - ext4 /dev/root rw",
  ]);
  expect(mountsOnLoops([LOOP], mounts).map((mount) => mount.mountpoint)).toEqual(["/mnt/btrfs", "/mnt/ext4"]);
});

it("a loop device is known by each place of the session's file", () => {
  const { mounts } = namespace([MAIN, "33 20 0:40 /disk /mnt/file rw - fuse.kmemfs kmemfs rw"]);
  const at = (backingFile: string) => loopsByPath("0:40", mounts, [{ ...LOOP, backingFile }]).length;
  expect(["/mnt/x/disk", "/mnt/file", "/mnt/x/disk (deleted)", "/mnt/x/disk2", "/disk"].map(at)).toEqual([
    1, 1, 1, 0, 0,
  ]);
});

it("a path leads through what lies over a parent", () => {
  const { mounts } = namespace([MAIN, "34 20 0:41 / /mnt rw - tmpfs mine rw"]);
  expect(mountOfPath("/mnt/x/disk", mounts)?.majorMinor).toBe("0:41");
  expect(mountOfPath("/mntx", mounts)?.majorMinor).toBe("254:0");
});

it("layers of an overlay, one list or several options", () => {
  expect(layersOf("rw,lowerdir=/a:/b\\:c,upperdir=/u,workdir=/w,lowerdir+=/d,index=off")).toEqual([
    "/a",
    "/b:c",
    "/u",
    "/w",
    "/d",
  ]);
  expect(layersOf("rw,relatime")).toEqual([]);
});

describe("the sector size that a disk was made for", () => {
  const bytes = (at: number, text: string, more: readonly (readonly [number, readonly number[]])[] = []) => {
    const all = new Uint8Array(SECTOR_LOOK_BYTES);
    all.set(
      [...text].map((char) => char.charCodeAt(0)),
      at,
    );
    for (const [place, values] of more) all.set(values, place);
    return all;
  };

  it.each([
    ["nothing", bytes(0, ""), 4096],
    ["xfs, 512", bytes(0, "XFSB", [[102, [2, 0]]]), 512],
    ["xfs, 4096", bytes(0, "XFSB", [[102, [16, 0]]]), 4096],
    ["xfs, nonsense", bytes(0, "XFSB", [[102, [3, 7]]]), 4096],
    ["ext4 of 1 KiB blocks", bytes(1080, "\x53\xef"), 1024],
    ["ext4 of 2 KiB blocks", bytes(1080, "\x53\xef", [[1048, [1]]]), 2048],
    ["ext4 of 4 KiB blocks", bytes(1080, "\x53\xef", [[1048, [2]]]), 4096],
    ["btrfs of 4 KiB sectors", bytes(65600, "_BHRfS_M", [[65680, [0, 16]]]), 4096],
    ["a GPT in the second of 512-byte sectors", bytes(512, "EFI PART"), 512],
    ["FAT", bytes(510, "\x55\xaa", [[11, [0, 2]]]), 512],
    ["a partition table of the old kind", bytes(510, "\x55\xaa"), 512],
  ])("%s", (_what, all, expected) => expect(neededSectorBytes(all)).toBe(expected));

  it("of a disk that is shorter than what is looked at", () => {
    expect(neededSectorBytes(new Uint8Array(4096))).toBe(4096);
  });
});
