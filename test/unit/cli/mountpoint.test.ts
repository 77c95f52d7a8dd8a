import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { checkMountpoint } from "../../../src/cli/mountpoint.js";
import { mountOn } from "../../../src/linux/proc/mounts.js";
import { absolutePath, quote } from "../../../src/mounts/paths.js";

const directory = realpathSync(mkdtempSync(join(tmpdir(), "kmemfs-point-")));
afterAll(() => rmSync(directory, { recursive: true }));

describe("absolutePath", () => {
  it("resolves the parent, not the last component", () => {
    mkdirSync(join(directory, "real"));
    symlinkSync("real", join(directory, "alias"));
    symlinkSync("/", join(directory, "real", "link"));
    expect(absolutePath("alias/link", directory)).toBe(join(directory, "real", "link"));
  });
  it("keeps what does not exist", () => {
    expect(absolutePath("../no/such/", "/x/y")).toBe("/x/no/such");
  });
  it("knows the root", () => expect(absolutePath("/", "/x")).toBe("/"));
});

describe("checkMountpoint", () => {
  it("tells a kmemfs mount from mountinfo alone, though the path is not there", () => {
    const mounts = [{ mountpoint: "/no/such", fsType: "fuse.kmemfs" }];
    expect(() => checkMountpoint("mount /no/such", "/no/such", mounts)).toThrow(
      "mount /no/such: already a kmemfs mount (EBUSY)",
    );
  });
  it("takes an empty directory", () => {
    mkdirSync(join(directory, "ok"));
    expect(() => checkMountpoint("mount", join(directory, "ok"), [])).not.toThrow();
  });
});

describe("the state directory", () => {
  const runtime = process.env.XDG_RUNTIME_DIR;
  afterEach(() => {
    vi.restoreAllMocks();
    process.env.XDG_RUNTIME_DIR = runtime;
    if (runtime === undefined) delete process.env.XDG_RUNTIME_DIR;
  });

  it.each(["", "/run"])("may not lie on the disk itself (%j below it)", (below) => {
    const point = join(directory, `state${below.length}`);
    mkdirSync(`${point}`);
    vi.spyOn(process, "geteuid").mockReturnValue(1000);
    process.env.XDG_RUNTIME_DIR = `${point}${below}`;
    expect(() => checkMountpoint("mount", point, [])).toThrow(
      /^mount: the state directory .* on this disk \(EINVAL\)$/,
    );
    process.env.XDG_RUNTIME_DIR = `${point}2${below}`;
    expect(() => checkMountpoint("mount", point, [])).not.toThrow();
  });
});

it("mountOn finds the topmost one", () => {
  const mounts = [
    { mountpoint: "/a", fsType: "ext4" },
    { mountpoint: "/a", fsType: "fuse.kmemfs" },
    { mountpoint: "/b", fsType: "xfs" },
  ];
  expect(mountOn("/a", mounts)?.fsType).toBe("fuse.kmemfs");
  expect(mountOn("/c", mounts)).toBeNull();
});

it("quote makes a word for the shell", () => {
  expect(quote("/mnt/ram-1.x")).toBe("/mnt/ram-1.x");
  expect(quote("/mnt/it's here")).toBe(`'/mnt/it'\\''s here'`);
});
