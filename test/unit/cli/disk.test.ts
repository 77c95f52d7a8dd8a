import { expect, it } from "vitest";
import { figureCells } from "../../../src/cli/figures.js";
import { complaint } from "../../../src/daemon/disk/command.js";
import { describeHolders } from "../../../src/daemon/disk/holders.js";
import { loopOf } from "../../../src/daemon/disk/loop.js";

const holder = (pid: number, path: string) => ({ pid, name: "bash", how: "cwd", path }) as const;

it("names each process once, and counts those that are too many", () => {
  expect(describeHolders([holder(7, "/mnt/x"), holder(7, "/mnt/x/log")])).toBe("bash (pid 7, /mnt/x)");
  const many = [1, 2, 3, 4, 5, 6].map((pid) => holder(pid, "/m"));
  expect(describeHolders(many)).toMatch(/^bash \(pid 1, \/m\), .*pid 4, \/m\) and 2 more$/);
});

it("finds the loop device of a partition", () => {
  expect(loopOf("/dev/loop3")).toBe("/dev/loop3");
  expect(loopOf("/dev/loop3p12")).toBe("/dev/loop3");
  expect([loopOf("/dev/sda1"), loopOf("/x/dev/loop3"), loopOf("none"), loopOf("")]).toEqual([null, null, null, null]);
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
