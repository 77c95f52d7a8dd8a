/** Acts on a mount reach that mount, whatever lies over it, and no other. */
import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EBUSY, ENOENT } from "../../../src/base/errno.js";
import {
  coverOf,
  detachExactly,
  isMounted,
  isReachable,
  openExactly,
  unmountExactly,
} from "../../../src/linux/mount/mountHandle.js";
import { type MountEntry, mountOn, readMounts } from "../../../src/linux/proc/mounts.js";
import { isRoot, userError } from "./support.js";

const command = (name: string, ...args: string[]): void => void execFileSync(name, args, { timeout: 60_000 });

describe.skipIf(!isRoot)("a mount handle", () => {
  let top = "";
  const tmpfs = (directory: string, source = "one"): MountEntry => {
    mkdirSync(directory, { recursive: true });
    command("mount", "-t", "tmpfs", source, directory);
    const entry = mountOn(directory, readMounts());
    if (entry === null) throw new Error("not mounted");
    return entry;
  };
  const here = (): string[] =>
    readMounts().flatMap((entry) => (entry.mountpoint.startsWith(top) ? [entry.source] : []));

  beforeEach(() => {
    top = mkdtempSync(join(tmpdir(), "kmemfs-handle-"));
  });
  afterEach(() => {
    for (const { mountpoint } of readMounts()
      .filter((entry) => entry.mountpoint.startsWith(top))
      .reverse())
      command("umount", mountpoint);
    rmSync(top, { recursive: true });
  });

  it("unmounts what it means, once", () => {
    const one = tmpfs(`${top}/a`);
    expect(unmountExactly("the test", one)).toBe(0);
    expect(here()).toEqual([]);
    expect(unmountExactly("the test", one)).toBe(ENOENT);
  });

  it("refuses where something lies over it, names that, and leaves both", () => {
    const one = tmpfs(`${top}/a`);
    tmpfs(`${top}/a`, "two");
    for (const act of [openExactly, unmountExactly, detachExactly]) {
      const error = userError(() => act("the test", one));
      expect([error.options.code, error.reason]).toEqual(["EBUSY", `tmpfs (two) is mounted over it, on ${top}/a`]);
    }
    expect(here()).toEqual(["one", "two"]);
    expect([isMounted(one), isReachable(one)]).toEqual([true, false]);
  });

  it("refuses where a parent is hidden: the path leads to another file system", () => {
    const one = tmpfs(`${top}/a/b`);
    tmpfs(`${top}/a`, "two");
    expect(coverOf(one)?.source).toBe("two");
    expect(userError(() => unmountExactly("the test", one)).options.code).toBe("EBUSY");
    mkdirSync(`${top}/a/b`);
    expect(userError(() => openExactly("the test", one)).options.code).toBe("EBUSY");
    expect(here()).toEqual(["one", "two"]);
  });

  it("unmounts the upper one of two in one place, and a bind mount of a file", () => {
    const one = tmpfs(`${top}/a`);
    const two = tmpfs(`${top}/a`, "two");
    expect(unmountExactly("the test", two)).toBe(0);
    expect(here()).toEqual(["one"]);
    for (const name of ["file", "other"]) closeSync(openSync(`${top}/a/${name}`, "w"));
    command("mount", "--bind", `${top}/a/file`, `${top}/a/other`);
    const file = mountOn(`${top}/a/other`, readMounts());
    expect(file && unmountExactly("the test", file)).toBe(0);
    expect(unmountExactly("the test", one)).toBe(0);
  });

  it("does not take a mount for another one that has its place", () => {
    const one = tmpfs(`${top}/a`);
    command("umount", `${top}/a`);
    const two = tmpfs(`${top}/a`, "two");
    const stale = { ...two, majorMinor: one.majorMinor === two.majorMinor ? "0:999999" : one.majorMinor };
    expect(unmountExactly("the test", stale)).toBe(ENOENT);
    expect(here()).toEqual(["two"]);
  });

  it("tells what is in use, and detaches it all the same, but nothing that is mounted inside", () => {
    const one = tmpfs(`${top}/a`);
    const fd = openSync(`${top}/a/file`, "w");
    expect(unmountExactly("the test", one)).toBe(EBUSY);
    tmpfs(`${top}/a/inside`, "two");
    expect(userError(() => detachExactly("the test", one)).reason).toBe(`${top}/a/inside (tmpfs) is mounted inside`);
    expect(here()).toEqual(["one", "two"]);
    command("umount", `${top}/a/inside`);
    expect(detachExactly("the test", one)).toBe(0);
    closeSync(fd);
    expect(here()).toEqual([]);
  });
});
