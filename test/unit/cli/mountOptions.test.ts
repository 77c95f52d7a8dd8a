import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { UserError } from "../../../src/base/errors.js";
import { type MountWords, parseOptionList, parsePool, toMountOptions } from "../../../src/cli/mountOptions.js";

const root = { root: true, directory: "/home/me" };
const user = { root: false, directory: "/home/me" };
const place = { mountpoint: "/mnt/x", fuseDirectory: "/mnt/x" };
const options = (words: MountWords, pool?: string) => toMountOptions(pool, place, words, root);

describe("parseOptionList", () => {
  it("reads every option that the flags know", () => {
    expect(
      parseOptionList("size=1G,max-size=2G,pool-size=512M,create,ro,io=served,workers=2,debug,foreground,allow_other"),
    ).toEqual({
      size: "1G",
      maxSize: "2G",
      poolSize: "512M",
      create: true,
      readOnly: true,
      io: "served",
      workers: "2",
      debug: true,
      foreground: true,
      allowOther: true,
    });
  });

  it.each(["", ",", ",,", "defaults", "rw,defaults", "noauto,nofail,_netdev,user,exec,nosuid,nodev,noatime,relatime"])(
    "asks for nothing with %j",
    (text) => {
      const { readOnly = false, ...rest } = parseOptionList(text);
      expect([readOnly, rest]).toEqual([false, {}]);
    },
  );

  it("skips x-* and comments, whatever they say", () => {
    expect(
      parseOptionList('x-systemd.requires=/srv,X-mount.mkdir=0700,comment=size=1G,x-a="b,size=3G",size=1G'),
    ).toEqual({
      size: "1G",
    });
  });

  it("lets the later of two count", () => {
    expect(parseOptionList("ro,rw")).toEqual({ readOnly: false });
    expect(parseOptionList("rw,ro,size=1G,size=2G")).toEqual({ readOnly: true, size: "2G" });
  });

  it.each([
    ["sizes=1G", '-o sizes=1G: unknown mount option "sizes"'],
    ["ro,remount", '-o remount: unknown mount option "remount"'],
    ["__proto__", '-o __proto__: unknown mount option "__proto__"'],
    ["constructor=1", '-o constructor=1: unknown mount option "constructor"'],
    ["size", "-o size: the value is missing"],
    ["create=yes", "-o create=yes: the option takes no value"],
  ])("refuses %s and names it", (text, message) => {
    expect(() => parseOptionList(text)).toThrow(message);
  });

  it("skips what it does not know when mount(8) is sloppy", () => {
    expect(parseOptionList("frobnicate=1,size=1G", true)).toEqual({ size: "1G" });
  });

  it("never throws anything but a usage error", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parseOptionList(text);
        } catch (error) {
          expect(error).toBeInstanceOf(UserError);
          expect((error as UserError).exitCode).toBe(2);
        }
      }),
    );
  });
});

describe("parsePool", () => {
  it.each(["none", "tmpfs", "kmemfs"])("takes %s for the private tmpfs", (name) => {
    expect(parsePool(name, root)).toEqual({ kind: "tmpfs" });
  });
  it("has a default that the caller's rights allow", () => {
    expect(parsePool(undefined, root)).toEqual({ kind: "tmpfs" });
    expect(parsePool(undefined, user)).toEqual({ kind: "memfd" });
  });
  it("makes paths absolute", () => {
    expect(parsePool("pool", user)).toEqual({ kind: "path", path: "/home/me/pool" });
    expect(parsePool("./tmpfs", user)).toEqual({ kind: "path", path: "/home/me/tmpfs" });
    expect(parsePool("/dev/dax0.0", user)).toEqual({ kind: "path", path: "/dev/dax0.0" });
  });
  it("refuses an empty one", () => {
    expect(() => parsePool("", root)).toThrow("empty");
  });
});

describe("toMountOptions", () => {
  it("fills in the defaults and leaves out what was not said", () => {
    expect(options({})).toEqual({
      pool: { kind: "tmpfs" },
      source: "kmemfs",
      mountpoint: "/mnt/x",
      fuseDirectory: "/mnt/x",
      create: false,
      readOnly: false,
      atomicWrites: false,
      durable: false,
      io: "auto",
      restarts: 5,
      watchdogSeconds: 10,
      spare: true,
      allowOther: false,
      debug: false,
      foreground: false,
    });
  });

  it.each([
    ["none", "none"],
    ["tmpfs", "tmpfs"],
    ["memfd", "memfd"],
    ["pool", "/home/me/pool"],
    [undefined, "kmemfs"],
  ])("has the word of fstab's first field as the source: %s", (pool, source) => {
    expect(options({}, pool).source).toBe(source);
  });

  it("takes what concerns the server", () => {
    const words = parseOptionList("restarts=0,watchdog=30,nospare");
    expect(options(words)).toMatchObject({ restarts: 0, watchdogSeconds: 30, spare: false });
    expect(() => options({ restarts: "-1" })).toThrow("restarts -1: not a number");
    expect(() => options({ watchdog: "1h" })).toThrow("watchdog 1h: not a number");
  });

  it("takes a NUMA node, as a flag and as an option", () => {
    expect(options({ numaNode: "0" })).toMatchObject({ numaNode: 0 });
    expect(options(parseOptionList("numa-node=12"))).toMatchObject({ numaNode: 12 });
    for (const text of ["", "-1", "1.5", "0x1", "all", "10000"]) {
      expect(() => options({ numaNode: text }), text).toThrow(`numa-node ${text}: not the number of a NUMA node`);
    }
    expect(() => options({ numaNode: "0", readOnly: true })).toThrow(/a read-only mount takes no memory/);
  });

  it("is frozen, and survives JSON", () => {
    const made = options({ size: "1G", workers: "2" }, "/srv/pool");
    expect(Object.isFrozen(made) && Object.isFrozen(made.pool)).toBe(true);
    expect(JSON.parse(JSON.stringify(made))).toEqual(made);
  });

  it("reads sizes in whole pages", () => {
    expect(options({ size: "4GB", maxSize: "8G", poolSize: "1M" })).toMatchObject({
      sizeBytes: 976_562 * 4096,
      maxSizeBytes: 8 * 1024 ** 3,
      poolSizeBytes: 1024 ** 2,
    });
  });

  it.each([
    [{ size: "1X" }, "size 1X: not a size"],
    [{ size: "" }, "empty"],
    [{ size: "2G", maxSize: "1G" }, "size 2G: larger than max-size 1G"],
    [{ io: "fast" }, "io fast: no such way of data"],
    [{ workers: "0" }, "workers 0: not a number of threads"],
    [{ workers: "65" }, "workers 65"],
    [{ workers: "two" }, "workers two"],
    [{ workers: "-1" }, "workers -1"],
  ])("refuses %j", (words, message) => {
    expect(() => options(words)).toThrow(message);
  });
});
