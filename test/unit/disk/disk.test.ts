import { expect, it } from "vitest";
import { figureCells } from "../../../src/cli/figures.js";
import { isStackedOn } from "../../../src/disk/stackedOn.js";
import { describeUsers } from "../../../src/disk/users.js";
import { parseMountinfo } from "../../../src/linux/proc/mounts.js";
import { complaint } from "../../../src/linux/process/command.js";

const holder = (pid: number, path: string) => ({ pid, name: "bash", how: "cwd", path }) as const;

it("names each process once, and counts those that are too many", () => {
  expect(describeUsers([holder(7, "/mnt/x"), holder(7, "/mnt/x/log")])).toBe("bash (pid 7, /mnt/x)");
  const many = [1, 2, 3, 4, 5, 6].map((pid) => holder(pid, "/m"));
  expect(describeUsers(many)).toMatch(/^bash \(pid 1, \/m\), .*pid 4, \/m\) and 2 more$/);
});

it("shows what the machine has in MiB, so that a change is seen", () => {
  const cells = figureCells({ fileBytes: 1024, poolBytes: 3 * 1024 ** 3, availableBytes: 3 * 1024 ** 3 });
  expect(cells).toEqual(["1.0 KiB", "3.0 GiB", "3072.0 MiB"]);
});

it("takes the first line of a command's complaint: usage and hints follow it", () => {
  const stderr = "Filesystem must be larger than 300MB.\nUsage: mkfs.xfs\n\t[-b size=num]\n";
  expect(complaint({ exitCode: 1, stdout: "", stderr })).toBe("Filesystem must be larger than 300MB.");
  expect(complaint({ exitCode: 32, stdout: "", stderr: "mount: /x: wrong fs type.\n  dmesg(1) may have more\n" })).toBe(
    "/x: wrong fs type.",
  );
  expect(complaint({ exitCode: 5, stdout: "", stderr: "" })).toBe("exit code 5");
});

it("knows what lies on a disk by way of its loop device and the file systems there", () => {
  const mounts = parseMountinfo(
    [
      "20 1 254:0 / / rw - ext4 /dev/vda rw",
      "30 20 0:40 / /mnt/x rw - fuse.kmemfs kmemfs rw",
      "40 20 7:0 / /mnt/files rw - ext4 /dev/loop0 rw",
      "41 40 0:50 / /mnt/files/tmp rw - tmpfs none rw",
    ].join("\n"),
  );
  const nodes = [
    { path: "/dev/loop0", majorMinor: "7:0", partOf: [] },
    { path: "/dev/loop0p1", majorMinor: "259:0", partOf: [] },
  ];
  const lies = isStackedOn(
    "/mnt/x/disk",
    [{ path: "/dev/loop0", backingFile: "/mnt/x/disk", diskSeq: "1", nodes }],
    mounts,
  );
  const on = ["/dev/loop0", "/dev/loop0p1", "/mnt/files/swap", "/mnt/x/disk"];
  const off = ["/dev/loop1", "/swap", "/mnt/files/tmp/log", "/mnt/filesystem"];
  expect([...on, ...off].filter(lies)).toEqual(on);
});
