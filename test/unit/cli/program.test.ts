import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { main } from "../../../src/cli/main.js";
import { withCommand } from "../../../src/cli/program.js";

let directory: string;
let out: string;
let err: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "kmemfs-cli-"));
  mkdirSync(join(directory, "empty"));
  out = "";
  err = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    out += String(text);
    return true;
  });
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    err += String(text);
    return true;
  });
});

afterEach(() => {
  vi.restoreAllMocks();
  rmSync(directory, { recursive: true });
  process.exitCode = 0;
});

async function kmemfs(...args: string[]): Promise<number | string | undefined> {
  process.exitCode = 0;
  await main(["node", "/x/kmemfs", ...args]);
  const code = process.exitCode;
  process.exitCode = 0;
  return code;
}

describe("withCommand", () => {
  it.each([
    [["status"], ["status"]],
    [["/mnt/x"], ["mount", "/mnt/x"]],
    [
      ["/srv/pool", "/mnt/x", "-o", "rw"],
      ["mount", "/srv/pool", "/mnt/x", "-o", "rw"],
    ],
    [
      ["none", "/mnt/x"],
      ["mount", "none", "/mnt/x"],
    ],
    [
      ["--size", "1G", "/mnt/x"],
      ["mount", "--size", "1G", "/mnt/x"],
    ],
    [
      ["--debug", "status"],
      ["status", "--debug"],
    ],
    [
      ["--debug", "/mnt/x"],
      ["mount", "--debug", "/mnt/x"],
    ],
    [["--help"], ["--help"]],
    [
      ["help", "up"],
      ["up", "--help"],
    ],
    [
      ["umount", "/mnt/x"],
      ["umount", "/mnt/x"],
    ],
    [["./up"], ["mount", "./up"]],
  ])("reads %j", (args, expected) => {
    expect(withCommand(args)).toEqual(expected);
  });
  it("tells a slip of the pen from a mount point", () => {
    expect(() => withCommand(["statsu"])).toThrow("statsu: unknown command, and no such file or directory");
  });
});

describe("usage errors", () => {
  it.each([
    [[], "kmemfs: usage: a command or a mount point is required\ntry: kmemfs --help\n"],
    [["status", "--nope"], "kmemfs: status: unknown option '--nope'\ntry: kmemfs status --help\n"],
    [
      ["status", "a", "b"],
      "kmemfs: status: too many arguments for 'status'. Expected 1 argument but got 2\ntry: kmemfs status --help\n",
    ],
    [["down"], "kmemfs: down: missing required argument 'mountpoint'\ntry: kmemfs down --help\n"],
    [["mount"], "kmemfs: mount: the mount point is missing\ntry: kmemfs mount --help\n"],
    [["mount", "/a", "--size"], "kmemfs: mount: option '--size <size>' argument missing\ntry: kmemfs mount --help\n"],
    [["/mnt", "-o", "bogus"], 'kmemfs: -o bogus: unknown mount option "bogus"\ntry: kmemfs mount --help\n'],
    [
      ["up", "/mnt", "--fs", "ntfs"],
      "kmemfs: up --fs ntfs: not a file system that up can make\ntry: ext4, xfs, btrfs\n",
    ],
    [
      ["demo", "--size", "1M"],
      "kmemfs: demo --size 1.0 MiB: too small for the demonstration\ntry: at least 64.0 MiB\n",
    ],
    [["rehome"], "kmemfs: rehome: missing required argument 'pool'\ntry: kmemfs rehome --help\n"],
    [["rehome", "memfd"], "kmemfs: rehome memfd: this pool exists only while it is mounted\n"],
    [["format", "tmpfs"], "kmemfs: format tmpfs: this pool exists only while it is mounted\n"],
  ])("%j exits 2 with its line", async (args, expected) => {
    expect(await kmemfs(...args)).toBe(2);
    expect(err.startsWith(expected)).toBe(true);
    expect(out).toBe("");
  });

  it("bad sizes exit 2 before anything is looked at", async () => {
    expect(await kmemfs("/no/such/place", "--size", "12X")).toBe(2);
    expect(err).toMatch(/^kmemfs: size 12X: not a size \(EINVAL\)\ntry: .*512M.*\n$/);
  });

  it("check has the codes of fsck(8)", async () => {
    expect(await kmemfs("check")).toBe(16);
    expect(await kmemfs("check", "/srv/pool", "--rebuild-superblock")).toBe(16);
    expect(err).toContain("requires --repair");
  });
});

describe("mount point", () => {
  const line = async (name: string) => {
    expect(await kmemfs("mount", join(directory, name))).toBe(1);
    return err.replaceAll(directory, "D");
  };

  it("is missing", async () => {
    expect(await line("none")).toBe("kmemfs: mount D/none: no such directory (ENOENT)\ntry: mkdir -p D/none\n");
  });
  it("is a file", async () => {
    const { writeFileSync } = await import("node:fs");
    writeFileSync(join(directory, "file"), "");
    expect(await line("file")).toBe("kmemfs: mount D/file: not a directory (ENOTDIR)\ntry: an empty directory\n");
  });
  it("is a symbolic link", async () => {
    const { symlinkSync } = await import("node:fs");
    symlinkSync(join(directory, "empty"), join(directory, "link"));
    expect(await line("link")).toBe(
      "kmemfs: mount D/link: a symbolic link, not a directory (ELOOP)\ntry: the directory itself: D/empty\n",
    );
  });
  it("is not empty", async () => {
    mkdirSync(join(directory, "full", "x"), { recursive: true });
    expect(await line("full")).toBe(
      "kmemfs: mount D/full: the directory is not empty (ENOTEMPTY)\ntry: an empty directory\n",
    );
  });
});

describe("help", () => {
  it("names every command with a line, and an example", async () => {
    expect(await kmemfs("--help")).toBe(0);
    const own = ["recover", "doctor", "format", "check", "rehome", "demo"];
    for (const name of ["up", "down", "trim", "status", "mount", "unmount", ...own]) {
      expect(out).toMatch(new RegExp(`^ {2}${name}\\b.* {2}\\S`, "m"));
    }
    expect(out).toContain("kmemfs up /mnt/ram --size 4G");
  });
  it("is there for each command", async () => {
    expect(await kmemfs("up", "--help")).toBe(0);
    expect(out).toContain("Usage: kmemfs up MOUNTPOINT");
  });
  it("prints the version", async () => {
    expect(await kmemfs("--version")).toBe(0);
    expect(out).toMatch(/^kmemfs \d+\.\d+\.\d+\n$/);
  });
});
